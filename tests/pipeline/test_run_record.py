"""What `w2v runs` says of a run, by what ML Metadata holds of it."""

import json
import os
import time

import pytest

from models.errors import BadInputError
from pipeline.local import LOGS_FOLDER
from pipeline.run_record import read_records
from pipeline.runs import ON_CLUSTER
from pipeline.runs import REPORTER_TYPE as REPORTER
from tests.pipeline.metadata_of_runs import RESOLVER, Runs

FIGURES = {"audio_seconds": 7200.0, "seconds": 60.0, "evaluations": [{"step": 400, "wer": 0.1}]}


@pytest.fixture
def runs(tmp_path) -> Runs:
    return Runs(tmp_path)


def train(run, root, **told):
    """All up to the Trainer, whose folder holds the figures of its training and a model."""
    run.execute("CheckpointImporter")
    run.execute("LastJudged", "FAILED", kind=RESOLVER)  # nothing was judged before
    folder = root / "Trainer" / "model" / "1" / "Format-Serving"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "history.json").write_text(json.dumps(FIGURES))
    (folder / "model.safetensors").write_bytes(bytes(1000))
    return run.execute("Trainer", gives={"model": (folder.parent, {})}, **told)


def judge(run, blessed: bool):
    return run.execute("ReleaseGate", gives={"blessing": ("/blessing", {"blessed": int(blessed)})})


def push(run, **told):
    return run.execute("ReleasePusher", gives={"pushed_model": ("/pushed", told)})


def test_a_release_with_what_it_cost(runs, tmp_path):
    run = runs.begin("monday")
    train(run, tmp_path)
    judge(run, blessed=True)
    push(run, pushed=1, pushed_version="3", already=0)
    (record,) = read_records(tmp_path)
    assert (record.run, record.pipeline, record.state) == ("monday", "demo", "released")
    assert (record.version, record.already_published) == ("3", False)
    assert (record.audio_hours_trained, record.training_seconds) == (2.0, 60.0)
    assert record.training_steps == 400
    assert record.bytes_written == 1000 + len(json.dumps(FIGURES))


def test_a_resolver_that_found_nothing_is_no_failure(runs, tmp_path):
    run = runs.begin("monday")
    run.execute("LastJudged", "FAILED", kind=RESOLVER)
    push(run, pushed=0)
    assert read_records(tmp_path)[0].failed_at is None


def test_a_refusal(runs, tmp_path):
    run = runs.begin("monday")
    judge(run, blessed=False)
    push(run, pushed=0)
    (record,) = read_records(tmp_path)
    assert (record.state, record.version) == ("refused", None)


def test_a_failure_names_its_node(runs, tmp_path):
    run = runs.begin("monday")
    train(run, tmp_path)
    run.execute("WerEvaluator", "FAILED")
    (record,) = read_records(tmp_path)
    assert (record.state, record.failed_at) == ("failed", "WerEvaluator")
    assert record.training_seconds == 60.0  # it was paid for


def test_a_run_from_the_cache_cost_no_training(runs, tmp_path):
    first = runs.begin("monday")
    trained, judged = train(first, tmp_path), judge(first, blessed=True)
    pushed = push(first, pushed=1, pushed_version="1", already=0)
    again = runs.begin("tuesday")
    for node, given in (("Trainer", trained), ("ReleaseGate", judged), ("ReleasePusher", pushed)):
        again.reuse(node, given)
    record = read_records(tmp_path)[-1]
    assert (record.run, record.state, record.version) == ("tuesday", "released", "1")
    assert (record.nodes_run, record.nodes_from_cache) == (0, 3)
    assert record.training_seconds is None and record.bytes_written == 0


def test_an_ingest_is_no_run_that_was_killed(runs, tmp_path):
    run = runs.begin("monday")
    run.execute("SpeechExampleGen")
    run.execute("SpeechValidator")
    assert read_records(tmp_path)[0].state == "ingested"


def test_a_run_without_an_end_is_running_while_its_log_is_written(runs, tmp_path, monkeypatch):
    run = runs.begin("monday")
    run.execute("CheckpointImporter")
    run.execute("SpeechValidator")
    run.execute("Trainer", "RUNNING")
    assert read_records(tmp_path)[0].state == "running"
    later = time.time() + 2 * 3600
    monkeypatch.setattr(time, "time", lambda: later)
    assert read_records(tmp_path)[0].state == "stopped?"
    log = tmp_path / LOGS_FOLDER / "1.log"
    log.parent.mkdir()
    log.write_text("step 7")
    os.utime(log, (later, later))
    assert read_records(tmp_path)[0].state == "running"


def test_a_run_without_an_end_that_another_followed_was_stopped(runs, tmp_path):
    runs.begin("monday").execute("Trainer", "RUNNING")
    runs.begin("tuesday").execute("Trainer", "RUNNING")
    assert [record.state for record in read_records(tmp_path)] == ["stopped?", "running"]


class TestOnACluster:
    """Runs that the nodes of a cluster recorded; the exit handler tells of their end."""

    @pytest.fixture
    def begin(self, runs):
        return lambda name: runs.begin(name, told={ON_CLUSTER: 1})

    def end(self, run, state: str):
        run.execute("RunReporter", told={"final_status": f'{{"state": "{state}"}}'}, kind=REPORTER)

    def test_several_may_run_at_once_and_be_silent_for_days(self, begin, tmp_path, monkeypatch):
        for name in ("monday", "tuesday"):
            begin(name).execute("Trainer", "RUNNING")
        days_later = time.time() + 3 * 24 * 3600
        monkeypatch.setattr(time, "time", lambda: days_later)
        assert [record.state for record in read_records(tmp_path)] == ["running", "running"]
        weeks_later = days_later + 14 * 24 * 3600
        monkeypatch.setattr(time, "time", lambda: weeks_later)
        assert [record.state for record in read_records(tmp_path)] == ["stopped?", "stopped?"]

    def test_one_that_was_only_begun_is_no_ingest(self, begin, tmp_path):
        begin("monday").execute("SpeechValidator")  # its checkpoint comes from the cache
        assert read_records(tmp_path)[0].state == "running"

    def test_one_whose_container_never_started_has_failed(self, begin, tmp_path):
        run = begin("monday")
        run.execute("SpeechExampleGen")
        self.end(run, "FAILED")
        (record,) = read_records(tmp_path)
        assert (record.state, record.failed_at, record.nodes_run) == ("failed", None, 1)

    def test_one_that_ended_well_unseen_is_complete(self, begin, tmp_path):
        run = begin("monday")
        run.execute("Transform")
        self.end(run, "SUCCEEDED")
        assert read_records(tmp_path)[0].state == "complete"

    def test_one_of_whose_push_nothing_is_known_did_not_fail(self, begin, tmp_path):
        run = begin("monday")
        run.execute("ReleasePusher", "UNKNOWN")
        self.end(run, "SUCCEEDED")
        (record,) = read_records(tmp_path)
        assert (record.state, record.failed_at, record.nodes_run) == ("complete", None, 0)


def test_the_last_runs_of_all_pipelines_newest_last(runs, tmp_path):
    for name, pipeline in (("1", "demo"), ("2", "student"), ("3", "demo")):
        runs.begin(name, pipeline).execute("SpeechExampleGen")
    records = read_records(tmp_path, last=2)
    assert [(record.run, record.pipeline) for record in records] == [
        ("2", "student"),
        ("3", "demo"),
    ]


def test_bytes_of_a_bucket_are_not_counted(runs, tmp_path):
    run = runs.begin("monday")
    run.execute("SpeechExampleGen", gives={"examples": ("gs://bucket/examples/1", {})})
    assert read_records(tmp_path)[0].bytes_written is None


def test_a_root_without_runs_says_so(tmp_path):
    with pytest.raises(BadInputError, match=r"There is no metadata\.sqlite in .*; give the --root"):
        read_records(tmp_path)
