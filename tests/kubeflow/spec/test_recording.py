"""Which containers are told to record and what, and that the cache still finds them."""

import json

import pytest

from kubeflow.compile import compile_pipeline
from kubeflow.container.recording import RUN_ID, Recording
from kubeflow.names import METADATA_FLAG
from kubeflow.rehearsal.at_home import recorded_at_home
from kubeflow.spec.layout import containers, tasks_of
from pipeline.config import load_config
from schemas.properties import from_json

ROOT = "gs://bucket/w2v"
SERVER = "postgresql://w2v@metadata.internal:5432/w2v"
PASSWORD = "secret:projects/p/secrets/metadata/versions/1"


def compiled(target, folder, *overrides: str) -> dict:
    config = load_config("demo", root=ROOT, overrides=overrides)
    job = compile_pipeline(config, ROOT, target, folder / "spec")
    return job.get("pipelineSpec", job)


@pytest.fixture(scope="module", params=["vertex", "kfp"])
def spec(request, tmp_path_factory) -> dict:
    settings = (f"runner.metadata={SERVER}", f"runner.metadata_password={PASSWORD}")
    return compiled(request.param, tmp_path_factory.mktemp("spec"), *settings)


@pytest.fixture(scope="module")
def told(spec) -> dict[str, Recording]:
    """What each container is told, by its task."""
    return {
        name: from_json(Recording, container["args"][container["args"].index(METADATA_FLAG) + 1])
        for name, _, container in containers(spec)
        if METADATA_FLAG in container["args"]
    }


def test_every_node_that_does_work_records_it_and_no_resolver_does(told, spec):
    assert {*told} == {"RunReporter", *told["RunReporter"].nodes}
    assert "Trainer" in told and not {"LastPassed", "SpeechExampleGen-spans"} & {*told}
    trainer = told["Trainer"]
    assert (trainer.pipeline, trainer.node) == ("demo", "Trainer")
    assert trainer.type == "tfx.components.trainer.component.Trainer"
    assert (trainer.address, trainer.password) == (SERVER, PASSWORD)


def test_a_node_knows_whose_outputs_it_takes_but_for_what_a_resolver_found(told):
    assert told["ReleaseGate"].makers == {"evaluation": "WerEvaluator", "model": "ModelExporter"}
    nodes = told["RunReporter"].nodes
    assert all(
        nodes.index(maker) < nodes.index(name)
        for name, node in told.items()
        for maker in node.makers.values()
    )


def test_only_the_last_task_is_told_the_runs_id_as_the_cache_would_miss_with_it(spec):
    tasks = spec["root"]["dag"]["tasks"] | tasks_of(spec)
    with_id = [name for name, task in tasks.items() if RUN_ID in json.dumps(task)]
    assert with_id == ["RunReporter"]


def test_without_a_server_nothing_is_recorded(tmp_path):
    assert METADATA_FLAG not in json.dumps(compiled("vertex", tmp_path))


def test_a_rehearsal_is_recorded_below_its_own_root(tmp_path):
    words = ["python", METADATA_FLAG, json.dumps({"address": SERVER, "password": PASSWORD})]
    *_, told = recorded_at_home(words, tmp_path)
    assert json.loads(told) == {"address": f"sqlite:{tmp_path}/metadata.sqlite", "password": ""}
    assert recorded_at_home(["python", "x"], tmp_path) == ["python", "x"]
