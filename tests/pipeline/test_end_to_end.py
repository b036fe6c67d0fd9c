"""The main job, as a user types it: a corpus, a run, the same run again, and a refusal.

One small run is shared by every test here: 120 utterances and few steps on the shipped checkpoint.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import transformers

from components.release_pusher.releases import list_releases, read_manifest, verify
from models.audio import normalise, pad_batch, read_audio
from models.recognisers import open_recogniser
from tests.command_line import Ran, make_corpus, set_each, w2v

SHIPPED = Path(__file__).parents[2] / "models" / "pretrained" / "tiny-en"
SMALL = (
    "training.stages=[{trains: head, steps: 10, learning_rate: 5.0e-3, schedule: constant}, "
    "{trains: all, steps: 60, learning_rate: 1.0e-3, schedule: one_cycle}]",
    "evaluation.variants=[unpadded, bucketed, constant_64000, constant_64000_unmasked]",
    "evaluation.explain_padding=64000",
    "gate.max_wer={unpadded: 0.9, tflite_int8/static: 0.9}",
    # So little training leaves letters that are nearly a tie: any rounding changes words.
    "gate.max_added_wer={'*': 0.2}",
    "export.tflite=[float32, int8]",
    "export.hub=[encoder]",
    "gate.min_utterances=10",
    "export.tflite_seconds=[8]",
)
ARTIFACTS = {
    "saved_model/unpadded",
    "saved_model/unpadded+beam",
    "onnx_float32/unpadded",
    "onnx_int8/unpadded",
    "tflite_float32/static",
    "tflite_int8/static",
}


def run_demo(root: Path, *changes: str, runner: str = "local") -> Ran:
    where = ("--root", str(root), "--runner", runner)
    return w2v("run", "demo", *where, "--json", *set_each(*SMALL, *changes))


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    make_corpus(root / "corpus", utterances=120)
    return root


@pytest.fixture(scope="module")
def first(root) -> Ran:
    ran = run_demo(root)
    assert ran.code == 0, ran.stderr
    return ran


@pytest.fixture(scope="module")
def again(root, first) -> Ran:
    return run_demo(root)


@pytest.fixture(scope="module")
def refused(root, again) -> Ran:
    return run_demo(root, "gate.max_wer={unpadded: 0.0}")


def test_the_model_really_learned(first):
    dev = first.outcome["dev_wer"]
    assert dev["after"] < 0.7 * dev["before"]


def test_every_artifact_was_scored_in_its_own_runtime(first):
    assert set(first.outcome["wer"]) >= ARTIFACTS
    assert all(0 <= wer <= 1 for wer in first.outcome["wer"].values())


def test_masked_padding_scores_as_unpadded(first):
    wer = first.outcome["wer"]
    assert wer["saved_model/bucketed"] == wer["saved_model/unpadded"]
    assert wer["saved_model/constant_64000"] == wer["saved_model/unpadded"]
    assert wer["onnx_float32/unpadded"] == wer["saved_model/unpadded"]


def test_the_language_model_of_the_train_transcripts_helps(first):
    wer = first.outcome["wer"]
    assert wer["saved_model/unpadded+beam"] < wer["saved_model/unpadded"]


def test_the_release_is_whole_and_says_what_it_is(first):
    release = Path(first.outcome["release"])
    assert verify(release) == []
    manifest = read_manifest(release)
    assert manifest.wer == pytest.approx(first.outcome["wer"])
    assert len(manifest.provenance.checkpoint_sha256) == 64
    assert manifest.provenance.data_fingerprint.startswith("sha256:")
    for path in (
        "saved_model.pb",
        "tflite/model-int8.tflite",
        "onnx/model-int8.onnx",
        "report/report.html",
    ):
        assert (release / path).stat().st_size > 0


def test_the_published_model_transcribes_a_recording(first, root):
    recording = next((root / "corpus").glob("test-*/*/*/*.flac"))
    for model in ("", "tflite/model-int8.tflite", "onnx/model-int8.onnx"):
        heard = w2v("transcribe", str(Path(first.outcome["release"], model)), str(recording))
        assert heard.code == 0, heard.stderr
        assert set(heard.stdout.strip()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ' ")


def test_a_recording_longer_than_the_phone_model_takes_is_transcribed_by_windows(
    first, root, tmp_path
):
    recordings = sorted((root / "corpus").glob("test-*/*/*/*.flac"))[:8]
    waveform = np.concatenate([read_audio(recording) for recording in recordings])
    soundfile.write(tmp_path / "long.wav", waveform, 16_000)
    assert len(waveform) > 8 * 16_000  # the longest signature
    model = str(Path(first.outcome["release"], "tflite/model-float32.tflite"))
    heard = w2v("transcribe", model, str(tmp_path / "long.wav"))
    assert heard.code == 0, heard.stderr
    assert len(heard.stdout.strip()) > 10 * len(recordings)


def test_the_fine_tuned_model_is_one_that_transformers_runs(first, root):
    (trained,) = (root / "pipeline").glob("*/Trainer/model/*/Format-Serving")
    model = transformers.Wav2Vec2ForCTC.from_pretrained(trained).eval()
    recording = next((root / "corpus").glob("test-*/*/*/*.flac"))
    waveform = read_audio(recording)
    with torch.no_grad():
        logits = model(torch.from_numpy(normalise(waveform))[None]).logits[0]
    ours = open_recogniser(first.outcome["release"]).recognise(**pad_batch([waveform]))[0]
    np.testing.assert_allclose(ours.log_probs, logits.log_softmax(-1).numpy(), atol=1e-4)


def test_nothing_but_the_outcome_reaches_the_screen(first, root):
    assert first.outcome  # stdout is one JSON document
    assert "tensorflow" not in first.stderr.lower() and "warning" not in first.stderr.lower()
    assert next((root / "logs").glob("*.log")).stat().st_size > 0


def test_the_same_run_again_is_served_from_the_cache(again, first):
    assert again.code == 0
    assert again.outcome["wer"] == first.outcome["wer"]
    assert again.outcome["release"] == first.outcome["release"]
    assert again.outcome["already_published"]
    assert "Trainer              from cache" in again.stderr


def test_the_gate_refuses_with_its_reason_and_publishes_nothing(refused, root):
    assert refused.code == 3
    assert refused.outcome["release"] is None
    failed = [finding for finding in refused.outcome["findings"] if not finding["passed"]]
    assert [finding["rule"] for finding in failed] == ["WER saved_model/unpadded"]
    assert "is over 0.00 % by" in failed[0]["reason"]
    assert [release.version for release in list_releases(root / "releases")] == [1]


def test_the_runs_are_listed_with_how_they_went_and_what_they_cost(refused, root):
    listed = w2v("runs", "--root", str(root), "--json")
    assert listed.code == 0, listed.stderr
    records = json.loads(listed.stdout)
    assert [record["state"] for record in records] == ["released", "released", "refused"]
    assert [record["already_published"] for record in records] == [False, True, False]
    assert [record["training_steps"] for record in records] == [70, None, None]


def test_the_release_is_traced_to_what_made_it(refused, first, root):
    told = w2v("lineage", "latest", "--root", str(root), "--json")
    assert told.code == 0, told.stderr
    made = json.loads(told.stdout)["made"]
    provenance = read_manifest(first.outcome["release"]).provenance
    assert made["data"]["fingerprint"] == provenance.data_fingerprint
    assert made["checkpoint_sha256"] == provenance.checkpoint_sha256
    assert made["config_sha256"] == provenance.config_sha256
    # ML Metadata keeps six digits.
    assert made["wer"] == pytest.approx(first.outcome["wer"], rel=1e-4)
    assert made["training"]["dev_wer_after"] == first.outcome["dev_wer"]["after"]
    nodes = [link["node"] for link in made["chain"]]
    assert {"SpeechExampleGen", "CheckpointImporter", "Trainer"} < set(nodes)
    assert nodes[-1] == "ReleasePusher"


def test_the_report_can_be_built_again_from_the_run(refused, root, tmp_path):
    built = w2v("report", "--root", str(root), "--to", str(tmp_path))
    assert built.code == 0, built.stderr
    for name in ("report.html", "report.md", "report.json"):
        again, then = (
            Path(folder, name).read_text(encoding="utf-8")
            for folder in (tmp_path, Path(refused.outcome["report"]).parent)
        )
        assert again == then


def test_a_run_that_is_not_there_is_named_with_those_that_are(refused, root, tmp_path):
    built = w2v("report", "--root", str(root), "--to", str(tmp_path), "--run", "yesterday")
    assert built.code == 2
    assert "There is no run 'yesterday' of demo; the latest are 20" in built.stderr


@pytest.fixture(scope="module")
def evaluated(first, root, tmp_path_factory) -> tuple[Ran, Path]:
    """The release's int8 file, evaluated by itself on the corpus's test split."""
    to = tmp_path_factory.mktemp("evaluated")
    model = Path(first.outcome["release"], "tflite", "model-int8.tflite")
    bound = first.outcome["wer"]["tflite_int8/static"]
    options = ["--to", str(to), "--max-wer", str(bound), "--set", "gate.min_utterances=10"]
    ran = w2v("evaluate", str(model), str(root / "corpus" / "test-clean"), "--json", *options)
    return ran, to


def test_a_release_evaluated_by_itself_scores_what_its_run_said(evaluated, first):
    ran, to = evaluated
    assert ran.code == 0, ran.stderr
    (score,) = [score for score in ran.outcome["scores"] if not score["slice"]]
    assert score["artifact"] == "tflite_int8"
    assert score["wer"] == pytest.approx(first.outcome["wer"]["tflite_int8/static"])
    assert (to / "report.html").stat().st_size > 0
    assert not (to / "records").exists()  # as large as the audio


@pytest.mark.slow
def test_evaluated_beside_a_better_one_it_is_refused(evaluated, first, root, tmp_path):
    _, baseline = evaluated
    test_split = str(root / "corpus" / "test-clean")
    untrained = w2v(
        *("evaluate", str(SHIPPED), test_split, "--to", str(tmp_path), "--variants", "unpadded"),
        *("--max-wer", "2.0", "--set", "gate.min_utterances=10", "--baseline", str(baseline)),
        *("--set", "gate.regression_trials=[checkpoint/unpadded]"),
    )
    assert untrained.code == 3, untrained.stderr
    assert "Refused" in untrained.stdout and "checkpoint/unpadded" in untrained.stdout


@pytest.mark.slow
def test_the_beam_runner_gives_the_same_outcome(first, root, tmp_path):
    (tmp_path / "corpus").symlink_to(root / "corpus")
    ran = run_demo(tmp_path, f"data.corpus={root / 'corpus'}", runner="beam")
    assert ran.code == 0, ran.stderr
    assert ran.outcome["wer"] == pytest.approx(first.outcome["wer"], abs=0.05)
