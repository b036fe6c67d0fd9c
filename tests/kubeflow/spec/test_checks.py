"""What a cluster cannot run is refused when it is compiled, in one sentence with the cure."""

import dataclasses
import re

import pytest
from tfx.components import InfraValidator
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.dsl.input_resolution.strategies.span_range_strategy import SpanRangeStrategy
from tfx.proto.infra_validator_pb2 import ServingSpec
from tfx.types import Channel
from tfx.types.standard_artifacts import Examples, Model

from components.release_gate.config import GateConfig
from components.release_pusher.destinations.config import (
    DestinationsConfig,
    HuggingFaceConfig,
    KaggleConfig,
    VertexConfig,
)
from kubeflow.compile import compile_pipeline
from kubeflow.container.parameters import runtime_parameters
from kubeflow.image.contents import CHECKOUT
from kubeflow.spec.checks import refuse_ambiguous, refuse_config, refuse_nodes
from models.errors import BadInputError
from pipeline.cluster_config import ClusterConfig, NodeNeeds, TrainingJob
from pipeline.config import RunnerConfig, load_config

ROOT = "gs://bucket/w2v"


@pytest.fixture(scope="module")
def config():
    return load_config("demo", root=ROOT)


def with_setting(config, key: str, value):
    section, field = key.split(".")
    changed = dataclasses.replace(getattr(config, section), **{field: value})
    return dataclasses.replace(config, **{section: changed})


def refusal(config, tmp_path, *, root: str = ROOT, target: str = "vertex") -> str:
    with pytest.raises(BadInputError) as refused:
        compile_pipeline(config, root, target, tmp_path / "spec")
    assert not (tmp_path / "spec").exists()
    return str(refused.value)


def test_a_root_that_the_cluster_cannot_see(config, tmp_path):
    assert "give a bucket, such as --root gs://" in refusal(config, tmp_path, root="/home/me/runs")


@pytest.mark.parametrize(
    "key",
    ["data.corpus", "model.checkpoint", "release.folder", "release.hub_folder", "runner.artifacts"],
)
@pytest.mark.parametrize("place", ["/home/me/it", f"{CHECKOUT}/tests/data", f"{CHECKOUT}/../it"])
def test_a_folder_of_this_machine(key, place, config, tmp_path):
    said = refusal(with_setting(config, key, place), tmp_path)
    assert said.startswith(f"{key} ({place}) is a folder of this machine")
    assert f"--set {key}=gs://my-bucket/" in said


@pytest.mark.parametrize("key", ["release.folder", "release.hub_folder", "runner.artifacts"])
def test_a_folder_of_the_image_that_a_node_would_write(key, config, tmp_path):
    said = refusal(with_setting(config, key, f"{CHECKOUT}/models/pretrained"), tmp_path)
    assert "is lost with its container" in said


def test_a_checkpoint_that_the_image_holds_is_taken(config):
    shipped = f"{CHECKOUT}/models/pretrained/tiny-en"
    refuse_config(with_setting(config, "model.checkpoint", shipped), ROOT, "vertex")


@pytest.mark.parametrize(
    ("target", "cure"),
    [
        ("vertex", "cluster.secrets.HOOK=secret:projects/P/secrets/S/versions/V"),
        ("kfp", "cluster.secrets.HOOK=kubernetes:SECRET/KEY"),
    ],
)
def test_a_variable_that_no_container_has_with_how_it_gets_one(target, cure, config, tmp_path):
    said = refusal(with_setting(config, "alerts.webhook", "env:HOOK"), tmp_path, target=target)
    assert said == (
        f"alerts.webhook (env:HOOK): nodes' containers have no such variable; add --set {cure}"
    )


@pytest.mark.parametrize("target", ["vertex", "kfp"])
@pytest.mark.parametrize("place", ["file:/home/me/hook", "file:~/hook"])
def test_a_webhook_where_no_container_finds_it(place, target, config, tmp_path):
    said = refusal(with_setting(config, "alerts.webhook", place), tmp_path, target=target)
    assert said.startswith(f"alerts.webhook ({place}): nodes' containers have no such file; let it")
    assert "secret:projects/P/secrets/S/versions/V or file:gs://" in said


@pytest.mark.parametrize(
    ("target", "place", "said"),
    [
        ("kfp", "file:/home/me/hook", "nodes' containers have no such file"),
        ("vertex", "kubernetes:hooks/slack", "is a secret of Kubernetes, of which Vertex AI has"),
    ],
)
def test_a_secret_where_no_container_finds_it(target, place, said, config, tmp_path):
    elsewhere = with_setting(config, "cluster.secrets", {"HOOK": place})
    refused = refusal(elsewhere, tmp_path, target=target)
    assert refused.startswith(f"cluster.secrets.HOOK ({place})")
    assert said in refused


@pytest.mark.parametrize("place", ["", "file:gs://bucket/hook", "secret:projects/p/secrets/s"])
def test_a_webhook_that_a_container_finds_is_taken(place, config):
    refuse_config(with_setting(config, "alerts.webhook", place), ROOT, "kfp")


@pytest.mark.parametrize(
    ("name", "destination"),
    [
        ("hugging_face", HuggingFaceConfig(repo="me/commands")),
        ("kaggle", KaggleConfig(handle="me/commands/tensorFlow2/base")),
    ],
)
def test_a_destination_that_needs_a_token(name, destination, config, tmp_path):
    to = DestinationsConfig(**{name: destination})
    half = with_setting(config, "cluster.secrets", {"KAGGLE_KEY": "kubernetes:tokens/kaggle"})
    said = refusal(with_setting(half, "release.destinations", to), tmp_path, target="kfp")
    assert said.startswith(f"release.destinations.{name} needs a token")
    assert re.search(r"cluster\.secrets\.(HF_TOKEN|KAGGLE_API_TOKEN)=kubernetes:SECRET/KEY", said)
    assert "publish the release folder from home" in said


@pytest.mark.parametrize(
    "variables", [{"HF_TOKEN", "KAGGLE_API_TOKEN"}, {"HF_TOKEN", "KAGGLE_KEY", "KAGGLE_USERNAME"}]
)
@pytest.mark.parametrize(
    ("target", "place"),
    [("kfp", "kubernetes:tokens/it"), ("vertex", "secret:projects/p/secrets/s")],
)
def test_destinations_whose_tokens_are_secrets_are_taken(variables, target, place, config):
    to = DestinationsConfig(
        hugging_face=HuggingFaceConfig(repo="me/commands"),
        kaggle=KaggleConfig(handle="me/commands/tensorFlow2/base"),
    )
    known = with_setting(config, "cluster.secrets", dict.fromkeys(variables, place))
    refuse_config(with_setting(known, "release.destinations", to), ROOT, target)


def test_a_destination_of_the_service_accounts_own_is_taken(config):
    to = DestinationsConfig(vertex=VertexConfig(project="my-project"))
    refuse_config(with_setting(config, "release.destinations", to), ROOT, "vertex")


def test_a_metadata_server_that_is_the_container_itself(config, tmp_path):
    server = "mysql://me@localhost:3306/w2v"
    said = refusal(with_setting(config, "runner.metadata", server), tmp_path)
    assert said.startswith(f"runner.metadata ({server}): in a node's container")


@pytest.mark.parametrize("place", ["env:PASSWORD", "file:/home/me/password"])
def test_a_password_that_lies_where_no_container_finds_it(place, config, tmp_path):
    said = refusal(with_setting(config, "runner.metadata_password", place), tmp_path)
    assert said.startswith(f"runner.metadata_password ({place}): nodes' containers have no such")


def test_an_engine_that_is_the_container_itself(config, tmp_path):
    flags = ("--job_endpoint=localhost:8099", "--environment_type=LOOPBACK")
    runner = RunnerConfig(engine="PortableRunner", beam_flags=flags)
    said = refusal(dataclasses.replace(config, runner=runner), tmp_path)
    assert said.startswith("--job_endpoint=localhost:8099: in a node's container")


def test_a_corpus_on_s3_that_no_worker_of_dataflow_has_the_keys_of(config, tmp_path):
    there = with_setting(config, "data.corpus", "s3://bucket/corpus")
    elsewhere = dataclasses.replace(there, runner=RunnerConfig(engine="DataflowRunner"))
    assert refusal(elsewhere, tmp_path) == (
        "data.corpus (s3://bucket/corpus): the workers of DataflowRunner are given no keys of S3; "
        "copy it to gs://…, or set runner.engine to DirectRunner."
    )
    # While a container, which reads it itself, has its secrets
    refuse_config(there, ROOT, "vertex")


@pytest.mark.parametrize(
    "tpu", [{"accelerator": "TPU_V3", "accelerators": 8}, {"tpu_topology": "2x4"}]
)
def test_a_tpu_without_an_image_that_can_use_it(tpu, config, tmp_path):
    job = TrainingJob(machine="cloud-tpu", **tpu)
    cluster = ClusterConfig(project="my-project", training=job)
    said = refusal(dataclasses.replace(config, cluster=cluster), tmp_path)
    assert "VARIANT=tpu and add --set cluster.training.image=" in said


def test_a_vertex_job_on_kfp(config, tmp_path):
    cluster = ClusterConfig(training=TrainingJob(machine="n1-standard-8"))
    said = refusal(dataclasses.replace(config, cluster=cluster), tmp_path, target="kfp")
    assert "which Trainer cannot start on kfp; take it away and give cluster.nodes.Trainer" in said


def test_kubernetes_nodes_on_vertex(config, tmp_path):
    pool = NodeNeeds(node_selector={"pool": "tpu"})
    said = refusal(with_setting(config, "cluster.nodes", {"Trainer": pool}), tmp_path)
    assert said.startswith("cluster.nodes.Trainer.node_selector is for the nodes of a Kubernetes")


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
