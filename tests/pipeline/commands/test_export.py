"""`w2v export`: from a checkpoint to what ships, or one sentence why not."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from models.errors import BadInputError
from models.export.artifacts import read_index
from models.export.config import ExportConfig
from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2Model
from pipeline import cli
from pipeline.commands.export import table_of
from pipeline.export import export_checkpoint, noise, read_recordings

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def headless(tiny_checkpoint, tmp_path_factory):
    """A checkpoint that was only pretrained."""
    folder = tmp_path_factory.mktemp("headless")
    config = Wav2Vec2Config.from_json(tiny_checkpoint)
    Wav2Vec2Model(config, seed=0).save_pretrained(folder)
    return folder


def w2v(capfd, *arguments) -> tuple[int, str, str]:
    """The exit code of a command, and what it printed."""
    code = 0
    try:
        cli.main(["export", *map(str, arguments)])
    except SystemExit as left:
        code = left.code
    return code, *capfd.readouterr()


def test_it_leaves_what_was_asked_for_and_says_what_it_cost(tiny_checkpoint, tmp_path, capfd):
    to = tmp_path / "exported"
    code, out, _ = w2v(capfd, tiny_checkpoint, "--to", to, "--format", "onnx", "--json")
    assert code == 0
    rows = json.loads(out)
    assert [row["path"] for row in rows] == ["onnx/model-float32.onnx", "onnx/model-int8.onnx"]
    assert all(row["peak_bytes"] > 0 and row["real_time_factor"] > 0 for row in rows)
    assert sorted(path.name for path in to.iterdir()) == ["export.log", "exports.json", "onnx"]
    assert [one.name for one in read_index(str(to))] == [row["name"] for row in rows]

    code, _, err = w2v(capfd, tiny_checkpoint, "--to", to, "--format", "onnx")
    assert code == 2 and err == f"w2v: {to} is not empty; give --to a new folder.\n"
    assert [one.name for one in read_index(str(to))] == [row["name"] for row in rows]


def test_the_table_has_a_row_for_each(tiny_checkpoint, tmp_path):
    config = ExportConfig(tflite=(), onnx=("int8",))
    artifacts = export_checkpoint(tiny_checkpoint, tmp_path / "to", config, ("onnx",))
    table = table_of(artifacts)
    assert [column.header for column in table.columns][:2] == ["Artifact", "Size"]
    cells = [next(iter(column.cells)) for column in table.columns]
    assert cells[0] == "onnx/model-int8.onnx" and cells[1] == f"{artifacts[0].bytes / 1e6:.1f} MB"


@pytest.mark.slow
def test_of_a_checkpoint_without_a_head_there_is_the_encoder_alone(headless, tmp_path):
    config = ExportConfig(tflite=(), hub=("recogniser", "encoder"))
    (found,) = export_checkpoint(headless, tmp_path / "to", config, ("hub",))
    assert found.name == "hub_encoder" and found.max_abs_delta < 1e-4
    assert (tmp_path / "to" / "hub" / "encoder" / "saved_model.pb").exists()


@pytest.mark.parametrize("formats", [("onnx",), ("hub", "saved_model")])
def test_nothing_else_is_made_of_it_and_nothing_is_left_behind(headless, tmp_path, formats):
    with pytest.raises(BadInputError, match=r"has no CTC head, .* --format hub\.$"):
        export_checkpoint(headless, tmp_path / "to", ExportConfig(), formats)
    assert not (tmp_path / "to").exists()


def test_an_export_that_is_refused_leaves_nothing_and_can_be_repeated(tiny_checkpoint, tmp_path):
    to = tmp_path / "to"
    config = ExportConfig(tflite=(), onnx=("float32",), max_float_delta=0.0)
    with pytest.raises(Exception, match="onnx_float32 differs"):
        export_checkpoint(tiny_checkpoint, to, config, ("onnx",))
    assert list(to.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--format", "tflight"), "'tflight' is none of saved_model, tflite, onnx, hub."),
        (("--onnx-kinds", "float16"), "'float16' is none of float32, int8."),
        (("--seconds", "4,x"), "'4,x' are no seconds, such as 4,8,16."),
        (("--seconds", "0"), "each must be 0.1 to 1000."),
        (("--seconds", "4,nan"), "each must be 0.1 to 1000."),
        (
            ("--format", "tflite", "--tflite-kinds", "full_int8"),
            "w2v: full_int8 is calibrated on speech; name some with --calibrate.",
        ),
    ],
)
def test_nonsense_is_refused_at_once(tmp_path, capfd, options, sentence):
    code, _, err = w2v(capfd, "nowhere", "--to", tmp_path / "to", *options)
    assert code == 2 and sentence in err
    assert not (tmp_path / "to").exists()


def test_a_checkpoint_that_is_not_there_is_one_sentence(tmp_path, capfd):
    code, _, err = w2v(capfd, tmp_path / "nowhere", "--to", tmp_path / "to")
    assert code == 2 and err.startswith("w2v: There is no ") and err.count("\n") == 1


class TestRecordings:
    def test_they_are_spread_over_a_corpus(self, noise_corpus):
        found = read_recordings(noise_corpus, ExportConfig())
        assert [len(one) for one in found] == [6000, 6000, 8700]  # of 16: the 1st, 9th, last

    def test_all_that_calibration_asks_for_are_read_as_far_as_a_signature_reaches(
        self, noise_corpus
    ):
        config = ExportConfig(
            tflite=("full_int8",), tflite_seconds=(0.25, 0.4), calibration_utterances=100
        )
        found = read_recordings(noise_corpus, config)
        assert [len(one) for one in found] == [6000, 6400, 6400, 6400] * 4

    def test_one_file_will_do(self, tmp_path):
        soundfile.write(tmp_path / "a.WAV", np.zeros(800), 16_000)
        (found,) = read_recordings(tmp_path / "a.WAV", ExportConfig())
        assert len(found) == 800

    def test_a_folder_without_any_is_refused(self, tmp_path):
        with pytest.raises(BadInputError, match=r"holds no recordings \(\.wav, .*; give a folder"):
            read_recordings(tmp_path, ExportConfig())
        with pytest.raises(BadInputError, match="There are no recordings at"):
            read_recordings(tmp_path / "nowhere", ExportConfig())

    def test_the_noise_is_the_same_each_time(self):
        for one, other in zip(noise(), noise(), strict=True):
            np.testing.assert_array_equal(one, other)
        assert [len(one) for one in noise()] == [16_000, 32_000, 64_000]


def test_tfx_is_not_needed():
    program = "import sys, pipeline.export, pipeline.supervise; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "tensorflow" in done.stdout.split() and "tfx" not in done.stdout.split()
