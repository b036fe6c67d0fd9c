"""What made a release: from ML Metadata, from manifests, or from what is left of either."""

import dataclasses
import json
import shutil
import sqlite3

import pytest

from components.release_pusher.releases import roll_back
from models.errors import BadInputError
from pipeline.lineage import lineage_of
from pipeline.local import METADATA_FILE
from pipeline.runs import OUTPUT
from tests.pipeline.metadata_of_runs import Runs
from tests.pipeline.released_runs import PROVENANCE, RECIPE, release


def two_releases(root):
    runs = Runs(root)
    release(runs, "monday", 1, wer=0.30)
    release(runs, "tuesday", 2, wer=0.25)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two runs, each with its release, to be looked at."""
    return two_releases(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def own_root(tmp_path):
    """The same, to be changed."""
    return two_releases(tmp_path)


def test_a_release_is_traced_to_its_data_checkpoint_config_and_training(root):
    lineage = lineage_of("2", root)
    made = lineage.made
    assert (lineage.name, lineage.version, made.run.run) == ("demo", 2, "tuesday")
    assert (made.data.corpus, made.data.span, made.data.fingerprint) == (
        "/corpus",
        7,
        "sha256:data",
    )
    assert dataclasses.asdict(made.data.splits["train"]) == {
        "utterances": 560,
        "hours": 0.25,
        "speakers": 12,
        "quarantined": 3,
    }
    assert (made.checkpoint, made.checkpoint_sha256) == ("/checkpoint", "c" * 64)
    assert (made.config_sha256, made.code_version, made.parameters) == ("d" * 64, "1.0", 856128)
    assert made.runtime_parameters == {"steps_1": 30}
    training = made.training
    assert (training.recipe, training.tuned) == (RECIPE, False)
    assert (training.steps, training.seconds, training.audio_hours) == (100, 60.0, 2.0)
    assert (training.dev_wer_before, training.dev_wer_after, training.best_step) == (1.0, 0.25, 80)
    assert made.wer == {"saved_model/unpadded": 0.25}
    assert made.blessed and made.findings[0].reason == "no utterance failed"


def test_it_says_which_release_it_replaced(root):
    assert lineage_of("1", root).replaced is None
    replaced = lineage_of("2", root).replaced
    assert (replaced.version, replaced.wer) == (1, 0.30)


def test_what_it_replaced_is_known_after_its_files_were_removed(own_root):
    shutil.rmtree(own_root / "releases" / "1")
    replaced = lineage_of("2", own_root).replaced
    assert (replaced.version, replaced.wer) == (1, 0.30)


@pytest.mark.parametrize("name", ["2", "latest", "{root}/releases/2", "{root}/releases/2/"])
def test_a_release_has_a_number_a_folder_or_is_the_latest(root, name):
    assert lineage_of(name.format(root=root), root).made.run.run == "tuesday"


def test_the_chain_leads_from_the_first_inputs_to_the_push(root):
    made = lineage_of("2", root).made
    nodes = [link.node for link in made.chain]
    assert nodes == [
        "CheckpointImporter",
        "SpeechExampleGen",
        "Trainer",
        "WerEvaluator",
        "ReleaseGate",
        "ReleasePusher",
    ]
    by_node = {link.node: link for link in made.chain}
    assert by_node["WerEvaluator"].inputs["model"] == by_node["Trainer"].outputs["model"]
    assert made.artifacts[by_node["Trainer"].outputs["model"][0]].endswith("Trainer/tuesday")
    json.dumps(lineage_of("2", root).as_json())


def test_a_tuned_recipe_is_told_as_it_was_followed(tmp_path):
    values = {"stage_1_learning_rate": 2e-3}
    release(Runs(tmp_path), "monday", 1, wer=0.3, values=values)
    training = lineage_of("1", tmp_path).made.training
    assert training.tuned
    assert training.recipe.stages[0].learning_rate == 2e-3


def test_a_rollback_is_traced_to_what_it_restores(own_root):
    roll_back(own_root / "releases")
    lineage = lineage_of("latest", own_root)
    assert (lineage.version, lineage.restores, lineage.made.run.run) == (3, 1, "monday")
    assert lineage.replaced.version == 2


def test_a_release_that_was_removed_is_still_known(own_root):
    shutil.rmtree(own_root / "releases")
    lineage = lineage_of("1", own_root)
    assert (lineage.manifest, lineage.made.run.run) == (None, "monday")


def test_figures_of_a_training_that_was_cleaned_away_are_none(own_root):
    shutil.rmtree(own_root / "Trainer")
    training = lineage_of("2", own_root).made.training
    assert (training.recipe, training.seconds, training.dev_wer_after) == (RECIPE, None, None)


def test_a_release_made_elsewhere_is_told_from_its_manifest(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    lineage = lineage_of(str(root / "releases" / "2"), elsewhere)
    assert lineage.made is None
    assert lineage.manifest.provenance == PROVENANCE
    assert lineage.replaced.version == 1


@pytest.mark.parametrize("node", ["ReleaseGate", "WerEvaluator"])
def test_a_release_of_whose_run_a_part_is_unknown_is_told_from_its_manifest(node, own_root):
    # Given a server that was away when the node had ended
    forget_outputs(own_root, node)
    lineage = lineage_of("2", own_root)
    assert (lineage.made, lineage.manifest.provenance) == (None, PROVENANCE)
    assert lineage.replaced.version == 1
    # And one that is gone as well: there is nothing to fall back to
    shutil.rmtree(own_root / "releases")
    with pytest.raises(BadInputError, match=f"lacks what {node} gave in the run tuesday; look at"):
        lineage_of("2", own_root)


def forget_outputs(root, node: str) -> None:
    with sqlite3.connect(root / METADATA_FILE) as database:
        database.execute(
            "delete from Event where type = ? and execution_id in (select Execution.id from "
            "Execution join Type on Type.id = type_id where Type.name = ?)",
            (OUTPUT, f"components.{node}"),
        )


def test_a_version_that_nobody_knows_is_named_with_those_that_are(root):
    with pytest.raises(BadInputError, match=r"known versions: 1, 2\); name a version"):
        lineage_of("9", root)


def test_before_the_first_release_it_says_so(tmp_path):
    with pytest.raises(BadInputError, match="Nothing has been published in"):
        lineage_of("latest", tmp_path)
