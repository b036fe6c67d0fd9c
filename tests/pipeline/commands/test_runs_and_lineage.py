"""`w2v runs` and `w2v lineage` as a person sees them."""

import json

import pytest
from click.testing import CliRunner

from models.errors import BadInputError
from pipeline.commands import lineage, runs
from tests.pipeline.metadata_of_runs import Runs
from tests.pipeline.released_runs import release


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    made = Runs(root)
    release(made, "monday", 1, wer=0.30)
    release(made, "tuesday", 2, wer=0.25)
    made.begin("wednesday").execute("SpeechExampleGen", "FAILED")
    return root


def shown(command, *arguments) -> str:
    ran = CliRunner(env={"COLUMNS": "120"}).invoke(command, arguments, catch_exceptions=False)
    assert ran.exit_code == 0
    return ran.output


def test_runs_are_a_table_newest_last(root):
    lines = shown(runs.command, "--root", str(root)).splitlines()
    assert [line.split()[0] for line in lines] == ["Run", "monday", "tuesday", "wednesday"]
    assert all(one in lines[1] for one in ("released", "version 1", "2.0 h", "30.00 %"))
    assert "failed" in lines[3] and "SpeechExampleGen" in lines[3]


def test_runs_as_json_and_only_the_last(root):
    (record,) = json.loads(shown(runs.command, "--root", str(root), "--limit", "1", "--json"))
    assert (record["run"], record["state"], record["failed_at"]) == (
        "wednesday",
        "failed",
        "SpeechExampleGen",
    )


def test_a_lineage_is_a_tree(root):
    text = shown(lineage.command, "latest", "--root", str(root))
    for line in (
        "demo 2, published ",
        "── Data of span 7 in /corpus",
        "── sha256:data",
        "── train: 560 utterances, 0.25 h, 12 speakers, 3 set aside",
        "── Checkpoint /checkpoint, 856,128 parameters",
        "── Training in batches of 8: 100 steps, 2.0 h of audio in 1.0 minutes",
        "── head: 40 steps at 0.001, tri_stage",
        "── WER of the dev split 100.00 % before, 25.00 % at step 80, its best",
        "── saved_model/unpadded 25.00 %",
        "── ✓ runtime: no utterance failed",
        "── Replaced version 1, WER 30.00 %",
    ):
        assert line in text


def test_nothing_of_a_lineage_is_cut_on_a_narrow_terminal(root):
    arguments = ["2", "--root", str(root)]
    narrow = CliRunner(env={"COLUMNS": "40"}).invoke(lineage.command, arguments).output
    assert f"── Config sha256:{'d' * 64}\n" in narrow
    assert "── but this run was told steps_1 = 30\n" in narrow


def test_a_lineage_as_json_holds_the_chain(root):
    told = json.loads(shown(lineage.command, "1", "--root", str(root), "--json"))
    assert told["made"]["chain"][-1]["node"] == "ReleasePusher"
    assert told["manifest"]["version"] == 1


def test_a_release_made_elsewhere_says_so(root, tmp_path):
    text = shown(lineage.command, str(root / "releases" / "1"), "--root", str(tmp_path))
    assert "does not know how this release was made, as where that was elsewhere" in text
    assert "── sha256:data" in text


@pytest.mark.parametrize("arguments", [(runs.command,), (lineage.command, "latest")])
def test_a_bucket_is_no_root_and_the_sentence_names_the_way_to_a_clusters_runs(arguments):
    with pytest.raises(BadInputError, match=r"gs://bucket/w2v is a bucket.*give --config"):
        shown(*arguments, "--root", "gs://bucket/w2v")
