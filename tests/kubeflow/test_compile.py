"""The compiled Vertex pipeline: it parses, holds every node, and names nothing of this machine."""

import dataclasses
import json
from pathlib import Path

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

import kubeflow.compile
from kubeflow.compile import compile_for_vertex
from models.errors import BadInputError
from models.training.tuning import TuningConfig
from pipeline.config import RunnerConfig, load_config

ROOT = "gs://bucket/w2v"
NODES = {
    "SpeechExampleGen",
    "StatisticsGen",
    "ImportSchemaGen",
    "LastPassed",
    "SpeechValidator",
    "CheckpointImporter",
    "Transform",
    "Trainer",
    "ModelExporter",
    "LanguageModelTrainer",
    "WerEvaluator",
    "LatestBlessed-model-resolver",
    "LatestBlessed-model-blessing-resolver",
    "LastJudged",
    "ReleaseGate",
    "ReleasePusher",
}


@pytest.fixture(scope="module")
def config(tiny_checkpoint):
    overrides = [f"model.checkpoint={tiny_checkpoint}", "data.corpus=gs://bucket/LibriSpeech"]
    return load_config("librispeech-100h", root=ROOT, overrides=overrides)


@pytest.fixture(scope="module")
def compiled(config, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "pipeline.json"
    compile_for_vertex(config, ROOT, path)
    return path


@pytest.fixture(scope="module")
def spec(compiled) -> pipeline_spec_pb2.PipelineSpec:
    """The spec as the client's own message: an unknown field would be an error."""
    job = json.loads(compiled.read_text())
    return json_format.ParseDict(job["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())


def test_every_node_of_the_dag_is_a_task(spec):
    assert set(spec.root.dag.tasks) == NODES


def test_a_refused_model_reaches_no_pusher_before_its_gate(spec):
    tasks = spec.root.dag.tasks
    assert "ReleaseGate" in tasks["ReleasePusher"].dependent_tasks
    assert "SpeechValidator" in tasks["Trainer"].dependent_tasks


def test_our_executors_are_named_by_import_path_in_the_configs_image(spec, config):
    executors = json_format.MessageToDict(spec.deployment_spec)["executors"]
    trainer = executors["Trainer_executor"]["container"]
    assert trainer["image"] == config.runner.image
    evaluator = executors["WerEvaluator_executor"]["container"]["args"]
    assert "components.wer_evaluator.executor.Executor" in evaluator


def test_nothing_of_the_compiling_machine_is_in_the_spec(compiled):
    package = Path(kubeflow.compile.__file__).parent.parent
    assert str(package) not in compiled.read_text()


def test_an_engine_of_the_config_gets_the_images_package_and_not_this_machines(config, tmp_path):
    flags = ("--project=p", "--region=r", "--temp_location=gs://bucket/temp")
    runner = RunnerConfig(engine="DataflowRunner", beam_flags=flags, image="registry/w2v:1")
    on_dataflow = dataclasses.replace(config, runner=runner)
    spec = compile_for_vertex(on_dataflow, ROOT, tmp_path / "pipeline.json")
    executors = spec["pipelineSpec"]["deploymentSpec"]["executors"]
    told = executors["SpeechExampleGen_executor"]["container"]["args"]
    assert {"--runner=DataflowRunner", "--sdk_container_image=registry/w2v:1", *flags} <= set(told)
    assert "--setup_file" not in (tmp_path / "pipeline.json").read_text()


def test_an_engine_that_is_not_told_what_it_needs_is_refused(config, tmp_path):
    bare = dataclasses.replace(config, runner=RunnerConfig(engine="DataflowRunner"))
    with pytest.raises(BadInputError, match="DataflowRunner needs --project"):
        compile_for_vertex(bare, ROOT, tmp_path / "pipeline.json")


def test_the_same_config_compiles_to_the_same_bytes(compiled, config, tmp_path):
    compile_for_vertex(config, ROOT, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == compiled.read_bytes()


def test_a_warm_start_and_a_tuning_compile_as_well(config, tmp_path):
    learning_on = dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, warm_start=True),
        tuning=TuningConfig(trial_steps=100),
    )
    job = compile_for_vertex(learning_on, ROOT, tmp_path / "pipeline.json")
    spec = json_format.ParseDict(job["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())
    tasks = spec.root.dag.tasks
    assert set(tasks) == NODES | {"Tuner"}
    blessed = tasks["CheckpointImporter"].inputs.artifacts["last_blessed"].task_output_artifact
    assert blessed.producer_task == "LatestBlessed-model-resolver"
    values = tasks["Trainer"].inputs.artifacts["hyperparameters"].task_output_artifact
    assert values.producer_task == "Tuner"
    told = str(tasks["Tuner"].inputs.parameters["custom_config"])
    assert f"{ROOT}/librispeech-100h/Tuner/.unfinished" in told


def test_a_root_that_the_cluster_cannot_see_is_refused(config, tmp_path):
    with pytest.raises(BadInputError, match="give a bucket, such as --root gs://"):
        compile_for_vertex(config, "/home/me/runs", tmp_path / "pipeline.json")
