"""What a cluster cannot run is refused when it is compiled, in one sentence with the cure."""

import dataclasses

import pytest
from tfx.components import InfraValidator
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.dsl.input_resolution.strategies.span_range_strategy import SpanRangeStrategy
from tfx.proto.infra_validator_pb2 import ServingSpec
from tfx.types import Channel
from tfx.types.standard_artifacts import Examples, Model

from components.release_gate.config import GateConfig
from kubeflow.compile import compile_pipeline
from kubeflow.parameters import runtime_parameters
from kubeflow.spec.checks import refuse_ambiguous, refuse_nodes
from models.errors import BadInputError
from pipeline.cluster_config import ClusterConfig, NodeNeeds, TrainingJob
from pipeline.config import RunnerConfig, load_config

ROOT = "gs://bucket/w2v"


@pytest.fixture(scope="module")
def config():
    return load_config("demo", root=ROOT)


def refusal(config, tmp_path, *, root: str = ROOT, target: str = "vertex") -> str:
    with pytest.raises(BadInputError) as refused:
        compile_pipeline(config, root, target, tmp_path / "spec")
    assert not (tmp_path / "spec").exists()
    return str(refused.value)


def test_a_root_that_the_cluster_cannot_see(config, tmp_path):
    assert "give a bucket, such as --root gs://" in refusal(config, tmp_path, root="/home/me/runs")


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ("data", "corpus"),
        ("model", "checkpoint"),
        ("release", "folder"),
        ("release", "hub_folder"),
        ("runner", "artifacts"),
    ],
)
def test_a_folder_of_this_machine(section, field, config, tmp_path):
    changed = dataclasses.replace(getattr(config, section), **{field: "/home/me/it"})
    said = refusal(dataclasses.replace(config, **{section: changed}), tmp_path)
    assert said.startswith(f"{section}.{field} (/home/me/it) is a folder of this machine")
    assert f"--set {section}.{field}=gs://my-bucket/" in said


def test_an_engine_that_is_the_container_itself(config, tmp_path):
    flags = ("--job_endpoint=localhost:8099", "--environment_type=LOOPBACK")
    runner = RunnerConfig(engine="PortableRunner", beam_flags=flags)
    said = refusal(dataclasses.replace(config, runner=runner), tmp_path)
    assert said.startswith("--job_endpoint=localhost:8099: in a node's container")


def test_a_vertex_job_on_kfp(config, tmp_path):
    cluster = ClusterConfig(training=TrainingJob(machine="n1-standard-8"))
    said = refusal(dataclasses.replace(config, cluster=cluster), tmp_path, target="kfp")
    assert "which Trainer cannot start on kfp; take it away and give cluster.nodes.Trainer" in said


def test_a_name_too_long_for_kubernetes(config, tmp_path):
    said = refusal(dataclasses.replace(config, name="n" * 58), tmp_path, target="kfp")
    assert "is too long for kfp" in said
    assert "shorten it to 57 letters" in said


def test_a_checkpoint_that_cannot_be_read_where_it_is_compiled(config, tmp_path):
    # Given a place that TensorFlow knows no filesystem for
    model = dataclasses.replace(config.model, checkpoint="nowhere://bucket/checkpoint")
    said = refusal(dataclasses.replace(config, model=model), tmp_path)
    assert said.startswith("model.checkpoint (nowhere://bucket/checkpoint) cannot be read")


def test_needs_of_a_node_that_is_not_there_with_the_nearest_name(config, tmp_path):
    cluster = ClusterConfig(nodes={"Trainor": NodeNeeds(cpu=4)})
    said = refusal(dataclasses.replace(config, cluster=cluster), tmp_path)
    assert said == "cluster.nodes: there is no node Trainor; did you mean Trainer?"


def test_two_bounds_that_would_be_one_parameter(config):
    gate = GateConfig(max_wer={"tflite/int8": 0.1, "tflite_int8": 0.1})
    parameters = runtime_parameters(dataclasses.replace(config, gate=gate))
    with pytest.raises(BadInputError, match=r"2 bounds of gate.max_wer would be one .*take one"):
        refuse_ambiguous(parameters)


def test_a_resolver_that_no_cluster_answers(config):
    windows = Resolver(strategy_class=SpanRangeStrategy, examples=Channel(type=Examples))
    with pytest.raises(BadInputError, match="Windows: a cluster resolves no SpanRangeStrategy"):
        refuse_nodes([windows.with_id("Windows")], config)
    newest = Resolver(strategy_class=LatestArtifactStrategy, examples=Channel(type=Examples))
    refuse_nodes([newest.with_id("Newest")], config)


def test_an_infra_validator(config):
    validator = InfraValidator(model=Channel(type=Model), serving_spec=ServingSpec())
    with pytest.raises(BadInputError, match=r"InfraValidator cannot be compiled .*ModelExporter"):
        refuse_nodes([validator], config)
