"""A schedule of two runs: the first is tuned, the second goes on from what the first released."""

import json
from pathlib import Path

import pytest

from components.release_pusher.releases import read_manifest
from models import filesystem
from tests.command_line import Ran, make_corpus, set_each, w2v

LEARNING_ON = (
    "model.warm_start=true",
    "tuning={trials: 2, trial_steps: 6, steps_factor: null, mask_time_prob: null, dropout: null}",
    "training.stages=[{trains: all, steps: 30, learning_rate: 1.0e-3}]",
    "export={tflite: [], onnx: [], hub: []}",
    "language_model=null",
    "evaluation={split: test, variants: [unpadded]}",
    "gate={max_wer: {unpadded: 1.0}, max_added_wer: {}, min_utterances: 5}",
    'release.hub_folder=""',
)

pytestmark = pytest.mark.slow


def run(root: Path) -> Ran:
    ran = w2v("run", "demo", "--root", str(root), "--json", *set_each(*LEARNING_ON))
    assert ran.code == 0, ran.stderr
    return ran


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("schedule")
    make_corpus(root / "corpus")
    return root


@pytest.fixture(scope="module")
def first(root) -> Ran:
    return run(root)


@pytest.fixture(scope="module")
def second(root, first) -> Ran:
    return run(root)


def trained_models(root: Path) -> list[Path]:
    folders = (root / "pipeline" / "demo" / "Trainer" / "model").iterdir()
    return sorted(folders, key=lambda folder: int(folder.name))


def test_the_tuning_is_in_the_results_and_in_the_log(first, root):
    (results,) = (root / "pipeline").glob("demo/Tuner/tuner_results/*/tuner_results.json")
    rows = json.loads(results.read_text())
    assert [set(row) for row in rows] == [{"trial_id", "score", "stage_1_learning_rate"}] * 2
    assert "trial  dev WER" in next((root / "logs").glob("*.log")).read_text()


def test_the_first_run_starts_from_the_checkpoint(first):
    manifest = read_manifest(Path(first.outcome["release"]))
    assert manifest.provenance.checkpoint.endswith("tiny-en")


def test_the_second_run_trains_again_from_what_the_first_was_trained_to(first, second, root):
    before, _ = trained_models(root)
    manifest = read_manifest(Path(second.outcome["release"]))
    assert manifest.version == 2
    assert manifest.provenance.checkpoint == str(before / "Format-Serving")
    digest = filesystem.sha256_of_folder(before / "Format-Serving")
    assert manifest.provenance.checkpoint_sha256 == digest
    assert second.outcome["dev_wer"]["before"] == pytest.approx(first.outcome["dev_wer"]["after"])
    assert "SpeechExampleGen     from cache" in second.stderr
    assert "Trainer              from cache" not in second.stderr
