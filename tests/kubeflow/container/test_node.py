"""The container's entry point, run as a service runs it: flags in, an exit code and a file out."""

import datetime
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import ExecutorOutput

from kubeflow.compile import compile_pipeline
from kubeflow.container import latest, node
from kubeflow.spec.layout import tasks_of
from pipeline.config import load_config
from tests.kubeflow.container.importable import importable

BLESSING = "title: tfx.ModelBlessing\ntype: object\n"
MODEL = "title: tfx.Model\ntype: object\n"
EXECUTORS = """
import json
from pathlib import Path
from tfx.dsl.components.base import base_executor
from models.errors import BadInputError, PreemptedError

class Fails(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        try:
            raise BadInputError("There is no lamp; buy one.")
        except BadInputError as error:
            raise RuntimeError("wrapped by Beam") from error

class IsTakenAway(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        raise PreemptedError("The machine is being taken away; start again.")

class Notes(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        inputs = {key: [one.uri for one in artifacts] for key, artifacts in input_dict.items()}
        Path(exec_properties["notes"]).write_text(json.dumps([inputs, exec_properties]))

class Gate(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        blessing = output_dict["blessing"][0]
        blessing.set_int_custom_property("blessed", int(exec_properties["blessed"]))
        blessing.set_int_custom_property("current_model_id", input_dict["model"][0].id)
"""


@pytest.fixture(scope="module", autouse=True)
def executors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("executors")
    with importable("executors_of_node_tests", EXECUTORS, folder):
        yield


def artifact(uri: Path | str, schema: str, name: str = "", **metadata) -> dict:
    schemas = {"instanceSchema": schema}
    return {"artifacts": [{"name": name, "uri": str(uri), "type": schemas, "metadata": metadata}]}


def run(executor: str, folder: Path, *more: str, inputs=(), outputs=(), declares=(), **parameters):
    told = {
        "inputs": {"artifacts": dict(inputs), "parameterValues": parameters},
        "outputs": {"artifacts": dict(outputs), "outputFile": str(folder / "output.json")},
    }
    path = executor if "." in executor else f"executors_of_node_tests.{executor}"
    return node.main(
        [
            *("--executor_class_path", path),
            *("--json_serialized_invocation_args", json.dumps(told)),
            *("--json_serialized_inputs_spec_args", json.dumps(dict(declares))),
            *more,
        ]
    )


def output_in(folder: Path) -> ExecutorOutput:
    return json_format.Parse((folder / "output.json").read_text(), ExecutorOutput())


def days_since_1970(day: str) -> int:
    return (datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days


def judge(folder: Path, blessed: int, records: Path) -> None:
    """A gate's run: this model, at gs://m/<blessed>, judged."""
    code = run(
        "Gate",
        folder,
        *("--record", str(records)),
        inputs={"model": artifact(folder, MODEL, name="projects/1/artifacts/17")},
        outputs={"blessing": artifact(folder / "blessing", BLESSING)},
        blessed=blessed,
    )
    assert code == 0


def test_an_error_of_ours_is_one_sentence_and_its_exit_code(tmp_path, capsys):
    assert run("Fails", tmp_path) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "w2v: There is no lamp; buy one."


def test_a_machine_that_is_taken_away_asks_to_be_tried_again(tmp_path, capsys):
    assert run("IsTakenAway", tmp_path) == 143


def test_any_other_error_is_one_sentence_as_well(tmp_path, capsys):
    assert run("IsNotThere", tmp_path) == 1
    assert "IsNotThere" in capsys.readouterr().err.splitlines()[-1]


def test_a_try_that_takes_too_long_is_ended_with_one_sentence():
    limited = ["--executor_class_path", "x.Y", "--json_serialized_invocation_args", "{}"]
    told = subprocess.run(
        [sys.executable, "-m", "kubeflow.container.node", *limited, "--time_limit", "1e-7"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "w2v: The node was not done after 1e-07 hours, its limit; give it more" in told.stderr


def test_a_secret_is_where_clients_of_other_services_look_for_it(tmp_path, monkeypatch, caplog):
    # Given one that lies somewhere, and one that does not
    monkeypatch.setenv("HOOK", "")  # so that it is taken away afterwards
    (tmp_path / "hook").write_text("s3cr3t\n")
    told = [f"HOOK=file:{tmp_path}/hook", f"TOKEN=file:{tmp_path}/token"]
    # When a node runs that may need both
    flags = [word for one in told for word in ("--secret", one)]
    with caplog.at_level(logging.WARNING):
        assert run("Notes", tmp_path, *flags, notes=str(tmp_path / "notes")) == 0
    # Then it has the one, and its log says why it has not the other
    assert os.environ["HOOK"] == "s3cr3t"
    assert f"cluster.secrets.TOKEN says file:{tmp_path}/token, which cannot be read" in caplog.text
    assert "s3cr3t" not in caplog.text


def test_inputs_without_a_type_get_the_one_that_the_component_declares(tmp_path):
    # Given what open-source KFP hands on, which TFX's own entry point breaks on
    declares = {"artifacts": {"model": {"artifactType": {"instanceSchema": MODEL}}}}
    inputs = {"model": artifact(tmp_path / "model", "")}
    # When a node runs on it
    notes = tmp_path / "notes"
    assert run("Notes", tmp_path, inputs=inputs, declares=declares, notes=str(notes)) == 0
    # Then its executor got the model
    assert json.loads(notes.read_text())[0] == {"model": [str(tmp_path / "model")]}


def test_an_input_that_stands_for_none_is_none(tmp_path):
    notes = tmp_path / "notes"
    inputs = {"baseline": artifact(tmp_path / "model", MODEL, nothing_yet=1)}
    assert run("Notes", tmp_path, inputs=inputs, notes=str(notes)) == 0
    assert json.loads(notes.read_text())[0] == {}


def test_a_blessing_names_its_model_as_the_services_resolver_asks_for_it(tmp_path):
    judge(tmp_path, 1, tmp_path / "records")
    said = output_in(tmp_path).artifacts["blessing"].artifacts[0].metadata
    assert said["current_model_id"] == "projects/1/artifacts/17"


class TestWhatLaterRunsAskFor:
    """A resolver's work without a resolver: who made it notes it down, who asks reads the note."""

    def asked(self, folder: Path, record: Path, **outputs: str) -> dict:
        declared = {key: artifact(folder / key, schema) for key, schema in outputs.items()}
        executor = "kubeflow.container.latest.Executor"
        assert run(executor, folder, outputs=declared, record=str(record)) == 0
        return {key: one.artifacts[0] for key, one in output_in(folder).artifacts.items()}

    def test_before_the_first_run_there_is_nothing_yet(self, tmp_path):
        found = self.asked(tmp_path, tmp_path / "latest" / "ModelBlessing.json", blessing=BLESSING)
        assert found["blessing"].metadata[latest.NOTHING_YET] == 1

    def test_the_newest_is_found_blessed_or_not(self, tmp_path):
        records = tmp_path / "latest"
        for number, blessed in enumerate((1, 0)):
            folder = tmp_path / str(number)
            (folder / "blessing").mkdir(parents=True)
            judge(folder, blessed, records)
        found = self.asked(tmp_path, records / "ModelBlessing.json", blessing=BLESSING)
        assert found["blessing"].uri == str(tmp_path / "1" / "blessing")
        assert found["blessing"].metadata["blessed"] == 0

    def test_the_last_blessed_model_is_found_with_its_blessing(self, tmp_path):
        records = tmp_path / "latest"
        for number, blessed in enumerate((1, 0)):
            folder = tmp_path / str(number)
            (folder / "blessing").mkdir(parents=True)
            judge(folder, blessed, records)
        record = records / latest.BLESSED_RECORD
        found = self.asked(tmp_path, record, model=MODEL, model_blessing=BLESSING)
        assert found["model"].uri == str(tmp_path / "0")
        assert found["model_blessing"].uri == str(tmp_path / "0" / "blessing")

    def test_what_has_been_deleted_since_is_not_handed_on(self, tmp_path):
        records = tmp_path / "latest"
        judge(tmp_path, 1, records)  # its blessing's folder was never made
        found = self.asked(tmp_path, records / "ModelBlessing.json", blessing=BLESSING)
        assert found["blessing"].metadata[latest.NOTHING_YET] == 1


class TestSpans:
    """The compiled SpeechExampleGen on a corpus with a span a day, its driver alone."""

    @pytest.fixture(scope="class")
    def corpus(self, tmp_path_factory) -> Path:
        root = tmp_path_factory.mktemp("corpus")
        for day in ("2026-01-30", "2026-01-31"):
            for split in ("train", "dev", "test"):
                chapter = root / day / split / "1" / "2"
                chapter.mkdir(parents=True)
                (chapter / "1-2-0000.flac").write_bytes(f"{day} {split}".encode())
                (chapter / "1-2.trans.txt").write_text("1-2-0000 A WORD\n")
        return root

    @pytest.fixture(scope="class")
    def task(self, corpus, tmp_path_factory) -> tuple[dict, list[str]]:
        patterns = [
            f'data.{split}="{{YYYY}}-{{MM}}-{{DD}}/{split}"' for split in ("train", "dev", "test")
        ]
        # The spec that names a bucket; the corpus lies here.
        config = load_config(
            "demo", root="gs://bucket", overrides=["data.corpus=gs://corpus", *patterns]
        )
        path = tmp_path_factory.mktemp("compiled") / "spec.yaml"
        compile_pipeline(config, "gs://bucket", "vertex", path)
        text = path.read_text().replace("gs://corpus", str(corpus))
        spec = json.loads(text)["pipelineSpec"]
        constants = tasks_of(spec)["SpeechExampleGen"]["inputs"]["parameters"]
        properties = {
            name: source["runtimeValue"]["constant"]
            for name, source in constants.items()
            if "runtimeValue" in source
        }
        executor = spec["deploymentSpec"]["executors"]["SpeechExampleGen_executor"]
        return properties, executor["container"]["lifecycle"]["preCacheCheck"]["args"]

    def resolve(self, task, folder: Path, *more: str, outputs=(), **parameters: str) -> int:
        properties, args = task
        executor_input = {
            "inputs": {"parameterValues": properties | parameters},
            "outputs": {
                "parameters": dict(outputs),
                "artifacts": {"examples": artifact(folder, "title: tfx.Examples\n")},
                "outputFile": str(folder / "output.json"),
            },
        }
        args = [json.dumps(executor_input) if one == "{{$}}" else one for one in args]
        return node.main([*args, *more])

    @pytest.mark.parametrize(
        ("told", "day"),
        [
            ({}, "2026-01-31"),
            ({"this_run_span": "2026-01-30"}, "2026-01-30"),
            ({"this_run_data_date": "2026-01-30"}, "2026-01-30"),
            ({"this_run_data_date": "2026-01-30T23:30:00Z"}, "2026-01-30"),
            ({"this_run_span": "2026-01-30", "this_run_data_date": "2026-01-31"}, "2026-01-30"),
        ],
    )
    def test_the_span_of_a_run(self, task, tmp_path, told, day):
        assert self.resolve(task, tmp_path, **told) == 0
        found = output_in(tmp_path)
        assert f"{day}/train" in found.parameter_values["input_config"].string_value
        examples = found.artifacts["examples"].artifacts[0]
        assert examples.metadata["input_fingerprint"].startswith("sha256:")
        assert found.parameter_values["span"].number_value == days_since_1970(day)

    def test_a_time_is_taken_for_the_date_of_the_schedules_timezone(self, task, tmp_path):
        told = {"this_run_data_date": "2026-01-30T23:30:00Z"}
        assert self.resolve(task, tmp_path, "--timezone", "Europe/Berlin", **told) == 0
        found = output_in(tmp_path).parameter_values["input_config"].string_value
        assert "2026-01-31/train" in found

    def test_what_a_driver_found_in_a_task_of_its_own_reaches_the_reader(self, task, tmp_path):
        # Given a driver that ran as a task, as on KFP
        outputs = {"found": {"outputFile": str(tmp_path / "found")}}
        assert self.resolve(task, tmp_path, outputs=outputs) == 0
        found = output_in(tmp_path).parameter_values["found"].string_value
        # When the reader's own task runs on what it found
        notes = tmp_path / "notes"
        examples = {"examples": artifact(tmp_path / "examples", "title: tfx.Examples\n")}
        (tmp_path / "output.json").unlink()
        given = task[0] | {"this_run_found": found, "notes": str(notes)}
        assert run("Notes", tmp_path, outputs=examples, **given) == 0
        # Then it reads that span, and its examples say so
        _, properties = json.loads(notes.read_text())
        assert "2026-01-31/train" in properties["input_config"]
        assert "this_run_found" not in properties
        said = output_in(tmp_path).artifacts["examples"].artifacts[0].metadata
        assert said["input_fingerprint"].startswith("sha256:")

    @pytest.mark.parametrize(
        ("told", "sentence"),
        [
            ({"this_run_data_date": "2026-02-01"}, "There is no span 2026-02-01 for data.train"),
            ({"this_run_span": "yesterday"}, "data.span is 'yesterday', but must be"),
            ({"this_run_data_date": "{{$.time}}"}, "data_date is '{{$.time}}', but must be as"),
        ],
    )
    def test_a_span_that_is_not_there_or_none_is_refused(
        self, task, tmp_path, capsys, told, sentence
    ):
        assert self.resolve(task, tmp_path, **told) == 2
        assert sentence in capsys.readouterr().err.splitlines()[-1]
