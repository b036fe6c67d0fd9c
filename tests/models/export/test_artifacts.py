"""Exports are checked in their own runtime, indexed, and refused where they drift."""

import dataclasses
import json

import numpy as np
import pytest

from models import filesystem
from models.errors import W2vError
from models.export.artifacts import INDEX_FILE, export_all, read_index, shipped_folders
from models.export.config import ExportConfig
from models.export.saved_model import ServingModule
from models.wav2vec2 import Wav2Vec2ForCTC
from schemas.properties import from_json

ONLY_SAVED_MODEL = ExportConfig(tflite=())


@pytest.fixture(scope="module")
def index(exported):
    return {artifact.name: artifact for artifact in read_index(str(exported))}


def test_the_index_names_every_artifact_and_which_are_lossy(index):
    assert {name: artifact.lossy for name, artifact in index.items()} == {
        "saved_model": False,
        "tflite_float32": False,
        "tflite_float16": True,
        "tflite_int8": True,
    }
    assert {artifact.format for artifact in index.values()} == {"saved_model", "tflite"}


def test_the_index_gives_the_size_and_digest_of_what_is_there(index, exported):
    for artifact in index.values():
        path = exported / artifact.path
        files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
        assert artifact.bytes == sum(one.stat().st_size for one in files) > 100_000
    model = exported / "tflite" / "model-int8.tflite"
    assert index["tflite_int8"].sha256 == filesystem.sha256_of_file(model)
    folder = exported / "Format-Serving"
    assert index["saved_model"].sha256 == filesystem.sha256_of_folder(folder)


def test_the_index_says_how_close_each_came_and_how_long_it_took(index):
    assert index["saved_model"].max_abs_delta < 1e-4
    assert index["tflite_float32"].max_abs_delta < 1e-4
    assert 1e-4 < index["tflite_int8"].max_abs_delta < 2
    assert all(0 < artifact.seconds < 10 for artifact in index.values())


def test_what_a_tflite_file_needs_to_spell_lies_beside_it(exported):
    names = {path.name for path in (exported / "tflite").iterdir()}
    assert {"vocab.json", "preprocessor_config.json", "tokenizer_config.json"} < names


def test_a_float_export_beyond_the_bound_is_refused_and_not_indexed(module, waveforms, tmp_path):
    config = ExportConfig(tflite=("float32",), tflite_seconds=(1.0,), max_float_delta=0.0)
    with pytest.raises(W2vError, match=r"tflite_float32 differs .* \(bound 0\); it was not handed"):
        export_all(module, str(tmp_path), config, waveforms)
    assert not (tmp_path / INDEX_FILE).exists()


def test_weights_that_are_not_numbers_are_refused(module, waveforms, tmp_path):
    broken = Wav2Vec2ForCTC(module.model.config, seed=0)
    broken.lm_head.bias.assign(np.full(broken.lm_head.bias.shape, np.nan))
    with pytest.raises(W2vError, match="saved_model differs from the trained model by nan"):
        export_all(
            ServingModule(broken, module.processor), str(tmp_path), ONLY_SAVED_MODEL, waveforms
        )


def test_without_tflite_there_is_a_saved_model_only_and_probes_may_be_of_any_length(
    module, tmp_path
):
    probe = [np.random.default_rng(0).normal(size=20_000).astype(np.float32)]
    (artifact,) = export_all(module, str(tmp_path), ONLY_SAVED_MODEL, probe)
    assert artifact.name == "saved_model"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Format-Serving", INDEX_FILE]
    assert json.loads((tmp_path / INDEX_FILE).read_text()) == [dataclasses.asdict(artifact)]


def test_onnx_is_checked_indexed_and_shipped_beside_the_saved_model(module, waveforms, tmp_path):
    config = ExportConfig(tflite=(), onnx=("float32", "int8"))
    _, exact, small = export_all(module, str(tmp_path), config, waveforms)
    assert (exact.name, exact.format, exact.lossy) == ("onnx_float32", "onnx", False)
    assert (small.name, small.format, small.lossy) == ("onnx_int8", "onnx", True)
    assert exact.max_abs_delta < 1e-4 < small.max_abs_delta < 2
    for artifact in (exact, small):
        path = tmp_path / artifact.path
        assert path.parent.name == "onnx"
        assert artifact.bytes == path.stat().st_size
        assert artifact.sha256 == filesystem.sha256_of_file(path)
    assert shipped_folders(str(tmp_path)) == {
        "": str(tmp_path / "Format-Serving"),
        "onnx": str(tmp_path / "onnx"),
    }


def test_without_onnx_a_release_has_no_such_folder(exported):
    assert list(shipped_folders(str(exported))) == ["", "tflite"]


def test_a_kind_that_no_converter_makes_is_refused_by_its_key():
    assert from_json(ExportConfig, '{"onnx": ["int8"]}').onnx == ("int8",)
    with pytest.raises(ValueError, match=r"onnx\.0\s+Input should be 'float32' or 'int8'"):
        from_json(ExportConfig, '{"onnx": ["float16"]}')


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tflite_seconds": ()}, "name at least one length for TFLite"),
        ({"tflite_seconds": (4.0, 0.0)}, "lengths must be above 0 seconds"),
    ],
)
def test_a_config_of_nonsense_is_refused_by_its_key(settings, sentence):
    with pytest.raises(ValueError, match=rf"export\.tflite_seconds: {sentence}"):
        ExportConfig(**settings)
