"""What the nodes of a cluster record, read again as `w2v runs` and `w2v lineage` read it."""

import json
import logging
from pathlib import Path

import pytest
from kfp.pipeline_spec.pipeline_spec_pb2 import ExecutorInput
from ml_metadata.proto.metadata_store_pb2 import Execution

from kubeflow.container import node, recording
from kubeflow.container.recording import FINAL_STATUS, MAKERS, RUN_ID, Recording, run_of
from models.errors import BadInputError
from pipeline.local import FILE_ADDRESS, METADATA_FILE
from pipeline.metadata import open_store
from pipeline.run_record import read_records
from pipeline.runs import REPORTER_TYPE, Run, all_runs
from schemas.properties import to_json
from tests.kubeflow.container.importable import importable

PIPELINE = "demo"
# What nodes take, by node; "last" of the Gate is what a resolver found.
TAKES = {"Reader": {}, "Trainer": {"examples": "Reader"}, "Gate": {"model": "Trainer"}}
GIVES = {"Reader": ("examples", "Examples"), "Trainer": ("model", "Model")}
GIVES["Gate"] = ("blessing", "ModelBlessing")
EXECUTORS = """
from tfx.dsl.components.base import base_executor
from models.errors import BadInputError

class Reader(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        examples = output_dict["examples"][0]
        examples.span = 7
        examples.set_float_custom_property("train_hours", 2.0)
        examples.set_float_custom_property("dev_hours", 0.5)
        examples.set_string_custom_property("input_fingerprint", "sha256:data")

class Trainer(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        if exec_properties["steps"] < 0:
            raise BadInputError("There are no steps; give some.")

class Gate(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        blessing = output_dict["blessing"][0]
        blessing.set_int_custom_property("blessed", 1)
        blessing.set_int_custom_property("current_model_id", input_dict["model"][0].id)
"""


@pytest.fixture(scope="module", autouse=True)
def executors(tmp_path_factory):
    with importable(
        "executors_of_recording_tests", EXECUTORS, tmp_path_factory.mktemp("executors")
    ):
        yield


class Cluster:
    """A service that runs the containers of nodes, and knows where each node's output lies."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.address = f"{FILE_ADDRESS}{root / METADATA_FILE}"

    def run(
        self,
        name: str,
        run: str,
        taken: dict[str, str] | None = None,
        flags: tuple[str, ...] = (),
        **parameters,
    ) -> int:
        """Run one node of a run; it takes what nodes made in this run, or what `taken` says."""
        takes, (key, kind) = TAKES[name], GIVES[name]
        uris = {one: self.output(maker, run) for one, maker in takes.items()} | (taken or {})
        kinds = dict(GIVES.values()) | {"last": "Model"}
        inputs = {one: artifact(uri, kinds[one]) for one, uri in uris.items()}
        folder = Path(self.output(name, run)).parent
        folder.mkdir(parents=True, exist_ok=True)
        told = {
            "inputs": {"artifacts": inputs, "parameterValues": parameters},
            "outputs": {
                "artifacts": {key: artifact(self.output(name, run), kind)},
                "outputFile": str(folder / "executor_output.json"),
            },
        }
        of = Recording(self.address, "", PIPELINE, name, f"demo.{name}", makers=takes)
        return self._container(f"executors_of_recording_tests.{name}", of, told, *flags)

    def end(self, run: str, state: str = "SUCCEEDED") -> int:
        """Run the exit handler."""
        told = {
            "inputs": {
                "parameterValues": {
                    **{"name": PIPELINE, "alerts": "{}", "root": "gs://b", RUN_ID: run},
                    FINAL_STATUS: json.dumps({"state": state}),
                }
            },
            "outputs": {"outputFile": str(self.root / "output.json")},
        }
        of = Recording(self.address, "", PIPELINE, "RunReporter", REPORTER_TYPE, nodes=(*TAKES,))
        return self._container("components.run_reporter.executor.Executor", of, told)

    def output(self, name: str, run: str) -> str:
        return str(self.root / "123" / run / f"{name}_-45" / GIVES[name][0])

    def _container(self, executor: str, of: Recording, told: dict, *flags: str) -> int:
        return node.main(
            [
                *("--executor_class_path", executor),
                *("--json_serialized_invocation_args", json.dumps(told)),
                *("--metadata", to_json(of)),
                *flags,
            ]
        )

    def runs(self) -> list[Run]:
        return all_runs(open_store(self.root / METADATA_FILE))

    def states(self, run: str) -> dict[str, str]:
        (found,) = [one for one in self.runs() if one.name == run]
        return {
            name: Execution.State.Name(one.last_known_state) for name, one in found.work.items()
        }


def artifact(uri: str, kind: str) -> dict:
    schema = {"instanceSchema": f"title: tfx.{kind}\ntype: object\n"}
    return {"artifacts": [{"name": f"projects/1/{uri}", "uri": uri, "type": schema}]}


@pytest.fixture
def cluster(tmp_path) -> Cluster:
    return Cluster(tmp_path)


@pytest.mark.parametrize(
    "place",
    [
        "gs://bucket/w2v/demo/123456789012/demo-7/Trainer_-8080/model",  # Vertex AI
        "gs://bucket/w2v/demo/demo/demo-7/Trainer/model",  # Kubeflow's first KFP 2
        "s3://bucket/Trainer/demo/demo-7/Trainer/0b1c-77/model",  # Kubeflow's of today
    ],
)
def test_the_runs_id_is_read_from_where_an_output_lies(place):
    told = ExecutorInput()
    told.outputs.output_file = "/tmp/kfp_outputs/output_metadata.json"
    told.outputs.artifacts["model"].artifacts.add(uri=place)
    assert run_of(told, "Trainer") == "demo-7"


def test_a_node_is_recorded_as_the_runner_at_home_does(cluster):
    # When two nodes ran, one after the other
    assert cluster.run("Reader", "monday", input_base="/corpus", splits=3) == 0
    assert cluster.run("Trainer", "monday", steps=10) == 0
    # Then the run and its nodes are known by name
    (run,) = cluster.runs()
    assert (run.pipeline, run.name, run.on_cluster) == (PIPELINE, "monday", True)
    assert cluster.states("monday") == {"Reader": "COMPLETE", "Trainer": "COMPLETE"}
    assert run.work["Trainer"].type == "demo.Trainer"
    # And so is what they were told, took and gave, with types
    assert run.told("Reader", "input_base") == "/corpus"
    assert run.work["Reader"].custom_properties["splits"].double_value == 3
    taken, given = run.input("Trainer", "examples"), run.output("Reader", "examples")
    assert taken == given
    assert (given.type, given.uri) == ("Examples", cluster.output("Reader", "monday"))
    assert given.properties["span"].int_value == 7
    told = given.custom_properties
    assert told["input_fingerprint"].string_value == "sha256:data"
    assert (told["train_hours"].int_value, told["dev_hours"].double_value) == (2, 0.5)


def test_a_blessing_names_its_model_as_ml_metadata_does(cluster):
    for name in TAKES:
        assert cluster.run(name, "monday", steps=1) == 0
    (run,) = cluster.runs()
    said = run.output("Gate", "blessing").custom_properties["current_model_id"]
    assert said.int_value == run.output("Trainer", "model").id


def test_a_failure_is_recorded_with_its_sentence_until_a_retry_does_better(cluster):
    # Given a node that failed
    cluster.run("Reader", "monday")
    assert cluster.run("Trainer", "monday", steps=-1) == 2
    (run,) = cluster.runs()
    assert cluster.states("monday")["Trainer"] == "FAILED"
    why = run.work["Trainer"].custom_properties["__execution_result__"].string_value
    assert "There are no steps; give some." in why
    assert read_records(cluster.root)[0].failed_at == "Trainer"
    # When the service tries it again
    assert cluster.run("Trainer", "monday", steps=1) == 0
    # Then there is one execution of it, and it went well
    (run,) = cluster.runs()
    assert cluster.states("monday")["Trainer"] == "COMPLETE"
    assert "__execution_result__" not in run.work["Trainer"].custom_properties
    assert len(open_store(cluster.root / METADATA_FILE).get_executions()) == 2


def test_what_a_node_made_is_recorded_once_later_runs_can_ask_for_it(cluster):
    # Given a place for the newest outputs that cannot be written
    (cluster.root / "file").write_text("")
    records = ("--record", str(cluster.root / "file" / "latest"))
    # Then the node has failed, also to ML Metadata
    assert cluster.run("Reader", "monday", flags=records) != 0
    assert cluster.states("monday") == {"Reader": "FAILED"}


class TestFromTheCache:
    """Nodes that the service did not run at all, as their outputs of an earlier run will do."""

    @pytest.fixture
    def cluster(self, cluster) -> Cluster:
        for name in TAKES:
            assert cluster.run(name, "monday", steps=1) == 0
        assert cluster.end("monday") == 0
        return cluster

    def test_who_takes_from_such_nodes_records_them_and_those_before_them(self, cluster):
        model = cluster.output("Trainer", "monday")
        assert cluster.run("Gate", "tuesday", {"model": model}) == 0
        states = {"Reader": "CACHED", "Trainer": "CACHED", "Gate": "COMPLETE"}
        assert cluster.states("tuesday") == states
        monday, tuesday = cluster.runs()
        assert tuesday.input("Trainer", "examples") == monday.output("Reader", "examples")
        assert tuesday.output("Trainer", "model") == monday.output("Trainer", "model")
        assert json.loads(tuesday.told("Trainer", MAKERS)) == TAKES["Trainer"]

    def test_what_a_resolver_found_was_no_node_of_this_run(self, cluster):
        cluster.run("Reader", "tuesday")
        assert cluster.run("Trainer", "tuesday", steps=1) == 0
        assert cluster.run("Gate", "tuesday", {"last": cluster.output("Trainer", "monday")}) == 0
        assert set(cluster.states("tuesday").values()) == {"COMPLETE"}
        monday, tuesday = cluster.runs()
        assert tuesday.input("Gate", "last") == monday.output("Trainer", "model")

    def test_what_nobody_took_is_added_when_the_run_has_ended_well(self, cluster):
        assert cluster.end("tuesday") == 0
        assert set(cluster.states("tuesday").values()) == {"CACHED"}
        # The one that took what this run's nodes gave
        cluster.run("Reader", "wednesday")
        assert cluster.end("wednesday") == 0
        assert cluster.states("wednesday") == {"Reader": "COMPLETE"}
        assert [record.state for record in read_records(cluster.root)] == ["complete"] * 3

    def test_of_several_that_the_service_may_have_taken_none_is_guessed(self, cluster, caplog):
        # Given the same pipeline on other data
        for name in TAKES:
            assert cluster.run(name, "tuesday", input_base="/corpus2", steps=1) == 0
        # When the service serves one of both again, wholly from its cache
        with caplog.at_level(logging.WARNING):
            assert cluster.end("wednesday") == 0
        # Then the record says none of them
        assert cluster.states("wednesday") == {}
        assert "knows nothing of what Reader did in this run" in caplog.text
        assert read_records(cluster.root)[-1].state == "complete"

    def test_nothing_is_added_where_the_run_failed(self, cluster):
        assert cluster.end("tuesday", "FAILED") == 0
        assert cluster.states("tuesday") == {}
        assert read_records(cluster.root)[-1].state == "failed"


@pytest.mark.parametrize(("said", "state"), [("FAILED", "FAILED"), ("CANCELLED", "CANCELED")])
def test_the_exit_handler_ends_what_was_killed(cluster, monkeypatch, said, state):
    # Given a node whose process was killed: nothing more came from it than that it began
    with monkeypatch.context() as killed:
        killed.setattr(recording._Record, "write", began_only(recording._Record.write))
        cluster.run("Reader", "monday")
    assert read_records(cluster.root)[0].state == "running"
    # When the exit handler is told how the run ended
    assert cluster.end("monday", said) == 0
    # Then so did the node
    assert cluster.states("monday") == {"Reader": state}
    (record,) = read_records(cluster.root)
    assert (record.state, record.failed_at) == ("failed", "Reader")


@pytest.mark.parametrize("missed", ["the end", "all of it"])
def test_a_node_whose_end_the_server_missed_did_not_fail(missed, cluster, monkeypatch, caplog):
    # Given a node that failed, and a server that was away while its second try went well
    cluster.run("Reader", "monday")
    assert cluster.run("Trainer", "monday", steps=-1) == 2
    with monkeypatch.context() as away:
        seen = began_only(recording._Record.write) if missed == "the end" else lambda *_: None
        away.setattr(recording._Record, "write", seen)
        assert cluster.run("Trainer", "monday", steps=1) == 0
    # When the run goes well
    with caplog.at_level(logging.WARNING):
        assert cluster.end("monday") == 0
    # Then what it made is unknown, and says so
    assert cluster.states("monday")["Trainer"] == "UNKNOWN"
    assert "knows nothing of what Trainer made in this run" in caplog.text
    (record,) = read_records(cluster.root)
    assert (record.state, record.failed_at) == ("complete", None)
    (run,) = cluster.runs()
    with pytest.raises(BadInputError, match="lacks what Trainer gave in the run monday; look"):
        run.output("Trainer", "model")


def began_only(write):
    def write_if_it_began(self, state, trouble=""):
        if state == Execution.RUNNING:
            write(self, state, trouble)

    return write_if_it_began


def test_a_server_that_is_away_is_a_warning_and_no_failure(cluster, monkeypatch, caplog):
    monkeypatch.setattr(recording, "SECONDS_BETWEEN_TRIES", (0.0,))
    cluster.address = "postgresql://me@127.0.0.1:1/w2v"
    with caplog.at_level(logging.WARNING):
        assert cluster.run("Reader", "monday") == 0
    warnings = [one.message for one in caplog.records if one.name == recording.__name__]
    assert warnings[-1].startswith("what Reader did is not recorded, so w2v lineage will lack it: ")
    assert "postgresql://me@127.0.0.1:1/w2v cannot be reached from here" in warnings[-1]
    # And what the server has missed is told at the end
    cluster.address = f"{FILE_ADDRESS}{cluster.root / METADATA_FILE}"
    with caplog.at_level(logging.WARNING):
        assert cluster.end("monday") == 0
    assert "nothing of what Reader did in this run" in caplog.text
