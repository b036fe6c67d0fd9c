"""What is known of a release comes from its manifest and its report, and from nowhere else."""

import dataclasses
import json
from pathlib import Path

import pytest

from components.release_pusher.pages.facts import Part, ReleaseFacts, read_facts
from components.release_pusher.releases import read_manifest
from models.errors import BadInputError
from tests.components.release_pusher.pages.release_on_disk import MODEL_FILES, write_release


@pytest.fixture
def release(tmp_path) -> Path:
    return write_release(tmp_path / "1")


def test_a_reported_release_gives_scores_with_intervals_slices_and_the_split(release):
    facts = read_facts(str(release))
    assert [one.trial for one in facts.scores] == ["saved_model/unpadded", "tflite_int8/static"]
    assert facts.main.wer == 0.02
    assert (facts.main.wer_low, facts.main.wer_high) == (0.0125, 0.0375)
    assert [one.slice for one in facts.worst_slices] == ["speaker:302"]
    assert facts.split == "test"


def test_trials_that_are_only_compared_with_are_left_out(release):
    assert set(read_facts(str(release)).wer) == {"saved_model/unpadded", "tflite_int8/static"}


def test_without_a_report_the_manifests_rates_are_what_is_known(release):
    manifest = read_manifest(release)
    files = tuple(file for file in manifest.files if not file.path.startswith("report/"))
    bare = dataclasses.replace(manifest, files=files)
    (release / "manifest.json").write_text(json.dumps(dataclasses.asdict(bare)))
    facts = read_facts(str(release))
    assert facts == ReleaseFacts(bare)
    assert facts.main is None
    assert facts.wer["saved_model/unpadded"] == 0.02


@pytest.mark.parametrize("missing", ["about", "damage", "main_trial"])
def test_a_report_from_before_something_was_told_is_as_none(release, missing):
    path = release / "report" / "report.json"
    report = json.loads(path.read_text())
    del report[missing]
    path.write_text(json.dumps(report))
    facts = read_facts(str(release))
    assert facts == ReleaseFacts(facts.manifest)


def test_where_the_checkpoint_lay_is_not_told(release):
    facts = read_facts(str(release))
    assert facts.checkpoint == "tiny-en"


def test_features_of_few_values_are_told_whole(release):
    slices = read_facts(str(release)).slices
    assert {name: [one.slice for one in several] for name, several in slices.items()} == {
        "gender": ["gender:F", "gender:M"]
    }


def test_the_saved_model_counts_as_one_part(release):
    parts = read_facts(str(release)).parts
    of_graph = ("saved_model.pb", "variables/variables.index", "assets/vocab.json")
    assert parts[0] == Part("saved_model.pb", sum(len(MODEL_FILES[name]) for name in of_graph))
    assert {part.path for part in parts[1:]} == {
        "tflite/model-int8.tflite",
        "onnx/model-float32.onnx",
    }


def test_a_folder_without_manifest_has_no_facts(tmp_path):
    with pytest.raises(BadInputError, match=r"holds no manifest\.json"):
        read_facts(str(tmp_path))
