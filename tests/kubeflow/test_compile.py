"""One DAG, two compiled specs: they parse, hold every node, and name nothing of this machine."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform import PipelineJob
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2

import kubeflow.compile
from kubeflow.commands.compile import command
from kubeflow.compile import PACKAGE_HERE, PATH_HERE, compile_pipeline
from models.errors import BadInputError
from models.training.tuning import TuningConfig
from pipeline.cluster_config import ClusterConfig, NodeNeeds
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
TARGETS = ("vertex", "kfp")
WEBHOOK = "secret:projects/p/secrets/hook/versions/latest"
CLUSTER = ClusterConfig(
    project="my-project",
    service_account="runner@my-project.iam.gserviceaccount.com",
    network="projects/1/global/networks/ours",
    encryption_key="projects/p/locations/l/keyRings/r/cryptoKeys/k",
    labels={"team": "speech"},
    nodes={
        "default": NodeNeeds(cpu=4, memory_gb=16, retries=2, hours=6),
        "Trainer": NodeNeeds(accelerator="NVIDIA_L4", accelerators=2, memory_gb=64, cache=False),
    },
)


@pytest.fixture(scope="module")
def config():
    overrides = [
        'model.checkpoint="{shipped}/tiny-en"',
        "data.corpus=gs://bucket/LibriSpeech",
        f"alerts.webhook={WEBHOOK}",
    ]
    loaded = load_config("librispeech-100h", root=ROOT, overrides=overrides)
    return dataclasses.replace(loaded, cluster=CLUSTER)


@pytest.fixture(scope="module")
def files(config, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("compiled")
    paths = {"vertex": folder / "pipeline.json", "kfp": folder / "pipeline.yaml"}
    for target, path in paths.items():
        compile_pipeline(config, ROOT, target, path)
    return paths


@pytest.fixture(scope="module", params=TARGETS)
def spec(request, files) -> pipeline_spec_pb2.PipelineSpec:
    """Each spec as the client's own message: an unknown field would be an error."""
    return parsed(spec_in(files[request.param]))


def spec_in(path: Path) -> dict:
    first = next(yaml.safe_load_all(path.read_text()))
    return first.get("pipelineSpec", first)


def parsed(spec: dict) -> pipeline_spec_pb2.PipelineSpec:
    message = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    # The deployment is a free-form Struct there: its containers are checked by their own message.
    json_format.ParseDict(
        spec["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig(), False
    )
    return message


def tasks_in(spec: pipeline_spec_pb2.PipelineSpec):
    return spec.components["tfx-dag"].dag.tasks


def container_of(spec: pipeline_spec_pb2.PipelineSpec, node: str):
    deployment = json_format.ParseDict(
        json_format.MessageToDict(spec.deployment_spec),
        pipeline_spec_pb2.PipelineDeploymentConfig(),
    )
    return deployment.executors[f"{node}_executor"].container


def test_every_node_of_the_dag_is_a_task(spec):
    assert set(tasks_in(spec)) - {"SpeechExampleGen-spans"} == NODES


def test_a_refused_model_reaches_no_pusher_before_its_gate(spec):
    assert "ReleaseGate" in tasks_in(spec)["ReleasePusher"].dependent_tasks
    assert "SpeechValidator" in tasks_in(spec)["Trainer"].dependent_tasks


def test_every_container_starts_by_our_entry_point_in_the_configs_image(spec, config):
    for node in ("Trainer", "WerEvaluator", "SpeechExampleGen", "RunReporter"):
        container = container_of(spec, node)
        assert list(container.command) == ["python", "-m", "kubeflow.container.node"]
        assert container.image == config.runner.image
    assert "components.wer_evaluator.executor.Executor" in container_of(spec, "WerEvaluator").args


def test_what_a_node_needs_is_in_the_spec(spec):
    trainer, task = container_of(spec, "Trainer"), tasks_in(spec)["Trainer"]
    assert trainer.resources.cpu_limit == 4
    assert trainer.resources.resource_cpu_limit == "4"
    assert trainer.resources.memory_limit == 64
    assert trainer.resources.resource_memory_limit == "64G"
    assert trainer.resources.accelerator.type == "NVIDIA_L4"
    assert trainer.resources.accelerator.count == 2
    assert task.retry_policy.max_retry_count == 2
    assert task.retry_policy.backoff_duration.seconds == 60
    assert not task.caching_options.enable_cache
    assert tasks_in(spec)["Transform"].caching_options.enable_cache
    assert ("--time_limit", "6") in list(zip(trainer.args, trainer.args[1:], strict=False))


def test_file_based_nodes_get_their_machine_as_well(spec):
    assert container_of(spec, "SpeechExampleGen").resources.memory_limit == 16


def test_the_cache_sees_the_code_of_every_node_of_ours(spec):
    for node in ("SpeechExampleGen", "ModelExporter", "ReleaseGate", "Trainer"):
        assert sum(one.startswith("--code=") for one in container_of(spec, node).args) == 1


def test_runtime_parameters_reach_their_nodes_through_the_exit_handlers_dag(spec, config):
    root = spec.root.input_definitions.parameters
    inner = spec.components["tfx-dag"].input_definitions.parameters
    handed = spec.root.dag.tasks["tfx-dag"].inputs.parameters
    assert root["steps_2"].default_value.number_value == config.training.stages[1].steps
    assert root["learning_rate_1"].default_value.number_value == 1e-3
    assert root["span"].default_value.string_value == ""
    assert set(root) == set(inner) == set(handed)
    for node, task in tasks_in(spec).items():
        declared = spec.components[node].input_definitions.parameters
        for name, source in task.inputs.parameters.items():
            assert name in declared
            if source.component_input_parameter:
                assert source.component_input_parameter in inner
    told = tasks_in(spec)["Trainer"].inputs.parameters
    assert told["this_run_steps_2"].component_input_parameter == "steps_2"
    bounds = tasks_in(spec)["ReleaseGate"].inputs.parameters
    assert bounds["this_run_max_wer_unpadded"].component_input_parameter == "max_wer_unpadded"


def test_the_pusher_is_told_every_value_of_the_run_and_what_the_config_says(spec, config):
    told = tasks_in(spec)["ReleasePusher"].inputs.parameters
    taken = {one.component_input_parameter for one in told.values()} - {""}
    # Of a corpus without dates no node takes the date.
    assert taken == set(spec.root.input_definitions.parameters) - {"data_date"}
    defaults = json.loads(told["this_run_defaults"].runtime_value.constant.string_value)
    assert set(defaults) == taken
    assert defaults["steps_2"] == config.training.stages[1].steps
    assert defaults["max_wer_unpadded"] == config.gate.max_wer["unpadded"]


def test_a_data_date_defeats_the_cache_only_where_the_corpus_has_dates(files, config, tmp_path):
    spec = parsed(spec_in(files["vertex"]))
    assert "this_run_data_date" not in tasks_in(spec)["SpeechExampleGen"].inputs.parameters
    by_date = "{YYYY}-{MM}-{DD}/%s-*"
    data = dataclasses.replace(
        config.data, **{name: by_date % name for name in ("train", "dev", "test")}
    )
    dated = dataclasses.replace(config, data=data)
    job = compile_pipeline(dated, ROOT, "vertex", tmp_path / "pipeline.json")
    told = tasks_in(parsed(job["pipelineSpec"]))["SpeechExampleGen"].inputs.parameters
    assert told["this_run_data_date"].component_input_parameter == "data_date"
    noted = tasks_in(parsed(job["pipelineSpec"]))["ReleasePusher"].inputs.parameters
    assert noted["this_run_data_date"].component_input_parameter == "data_date"


def test_failure_is_reported_whatever_became_of_the_nodes(spec):
    reporter = spec.root.dag.tasks["RunReporter"]
    completed = pipeline_spec_pb2.PipelineTaskSpec.TriggerPolicy.ALL_UPSTREAM_TASKS_COMPLETED
    assert reporter.trigger_policy.strategy == completed
    assert reporter.inputs.parameters["final_status"].task_final_status.producer_task == "tfx-dag"


def test_inputs_that_a_first_run_lacks_are_optional(spec):
    declared = spec.components["ReleaseGate"].input_definitions.artifacts
    assert declared["baseline_model"].is_optional
    assert declared["last_blessing"].is_optional
    assert not declared["evaluation"].is_optional


def test_on_vertex_our_driver_runs_before_the_cache_is_asked(files):
    spec = parsed(spec_in(files["vertex"]))
    container = container_of(spec, "SpeechExampleGen")
    hook = container.lifecycle.pre_cache_check
    assert list(hook.command) == ["python", "-m", "kubeflow.container.node"]
    assert "components.speech_example_gen.driver.Driver" in hook.args
    assert "--driver" not in container.args
    told = tasks_in(spec)["SpeechExampleGen"].inputs.parameters
    assert told["this_run_span"].component_input_parameter == "span"


def test_on_kfp_our_driver_is_a_task_whose_finding_is_what_the_cache_sees(files):
    spec = parsed(spec_in(files["kfp"]))
    driver = tasks_in(spec)["SpeechExampleGen-spans"]
    assert driver.inputs.parameters["this_run_span"].component_input_parameter == "span"
    assert not driver.caching_options.enable_cache
    flags = container_of(spec, "SpeechExampleGen-spans").args
    assert "components.speech_example_gen.driver.Driver" in flags
    reader = tasks_in(spec)["SpeechExampleGen"]
    assert "this_run_span" not in reader.inputs.parameters
    found = reader.inputs.parameters["this_run_found"].task_output_parameter
    assert (found.producer_task, found.output_parameter_key) == ("SpeechExampleGen-spans", "found")
    assert reader.caching_options.enable_cache
    assert not container_of(spec, "SpeechExampleGen").lifecycle.HasField("pre_cache_check")


def test_kfp_has_no_resolvers_but_containers_that_read_records(files):
    spec = spec_in(files["kfp"])
    executors = spec["deploymentSpec"]["executors"]
    assert all(set(executor) == {"container"} for executor in executors.values())
    message = parsed(spec)
    for node in ("LastPassed", "LastJudged", "LatestBlessed-model-resolver"):
        assert "kubeflow.container.latest.Executor" in container_of(message, node).args
        assert not tasks_in(message)[node].caching_options.enable_cache
        assert "--record" not in container_of(message, node).args
    gate = container_of(message, "ReleaseGate").args
    assert f"{ROOT}/librispeech-100h/latest" in gate
    told = tasks_in(message)["LastJudged"].inputs.parameters["record"].runtime_value.constant
    assert told.string_value == f"{ROOT}/librispeech-100h/latest/ModelBlessing.json"


def test_the_job_carries_account_network_key_and_labels(files):
    job = json.loads(files["vertex"].read_text())
    assert job["serviceAccount"] == CLUSTER.service_account
    assert job["network"] == CLUSTER.network
    assert job["encryptionSpec"] == {"kmsKeyName": CLUSTER.encryption_key}
    assert job["labels"]["team"] == "speech"
    assert job["runtimeConfig"] == {"gcsOutputDirectory": f"{ROOT}/librispeech-100h"}


def test_kubernetes_gets_labels_and_a_last_limit_of_time(files):
    _, platforms = yaml.safe_load_all(files["kfp"].read_text())
    json_format.ParseDict(platforms, pipeline_spec_pb2.PlatformSpec())
    executors = platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors["Trainer_executor"] == {
        "podMetadata": {"labels": {"team": "speech"}},
        "activeDeadlineSeconds": str(6 * 3600 + 300),
    }


def test_a_node_goes_to_the_pool_that_is_selected_for_it(config, tmp_path):
    pool = {"cloud.google.com/gke-tpu-topology": "2x4"}
    cluster = ClusterConfig(nodes={"Trainer": NodeNeeds(node_selector=pool)})
    on_a_pool = dataclasses.replace(config, cluster=cluster)
    compile_pipeline(on_a_pool, ROOT, "kfp", tmp_path / "spec")
    _, platforms = yaml.safe_load_all((tmp_path / "spec").read_text())
    executors = platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors == {"Trainer_executor": {"nodeSelector": {"labels": pool}}}


def test_the_kfp_client_loads_the_file(files, config):
    loaded = components.load_component_from_file(str(files["kfp"]))
    assert loaded.name == config.name
    assert loaded.component_spec.inputs["span"].default == ""


def test_the_vertex_client_takes_the_job_and_its_parameters(files):
    job = PipelineJob(
        display_name="pipeline",
        template_path=str(files["vertex"]),
        parameter_values={"steps_1": 7, "span": "3"},
        project="my-project",
        location="us-central1",
        credentials=AnonymousCredentials(),
    )
    values = job._gca_resource.runtime_config.parameter_values
    assert values == {"steps_1": 7, "span": "3"}


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_config_compiles_to_the_same_bytes(target, files, config, tmp_path):
    compile_pipeline(config, ROOT, target, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == files[target].read_bytes()


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_of_the_compiling_machine_is_in_the_spec(target, files):
    text = files[target].read_text()
    assert str(Path(kubeflow.compile.__file__).parent.parent) not in text
    assert str(Path.home()) not in text
    assert "/opt/wav2vec2-tfx/models/pretrained/tiny-en" in text


@pytest.mark.parametrize("target", TARGETS)
def test_no_secret_is_in_the_spec(target, config, tmp_path, monkeypatch):
    monkeypatch.setenv("KFP_TOKEN", "s3cr3t-token")
    compile_pipeline(config, ROOT, target, tmp_path / "spec")
    assert "s3cr3t" not in (tmp_path / "spec").read_text()
    assert WEBHOOK in (tmp_path / "spec").read_text()


@pytest.fixture(scope="module")
def with_secrets(config):
    """Each kind of variable once: of a webhook, of a catalogue, of every node."""
    places = {
        "SLACK": "kubernetes:hooks/slack",
        "HF_TOKEN": "secret:projects/p/secrets/hub/versions/1",
        "AWS_SECRET_ACCESS_KEY": "kubernetes:s3/secret-key",
        "AWS_ACCESS_KEY_ID": "kubernetes:s3/id",
    }
    alerts = dataclasses.replace(config.alerts, webhook="env:SLACK")
    cluster = dataclasses.replace(CLUSTER, secrets=places)
    return dataclasses.replace(config, alerts=alerts, cluster=cluster)


def test_kubernetes_gives_each_node_the_secrets_that_it_needs(with_secrets, tmp_path, monkeypatch):
    monkeypatch.setenv("SLACK", "s3cr3t")
    compile_pipeline(with_secrets, ROOT, "kfp", tmp_path / "spec")
    assert "s3cr3t" not in (tmp_path / "spec").read_text()
    _, platforms = yaml.safe_load_all((tmp_path / "spec").read_text())
    executors = platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    given = {
        name: {
            variable["envVar"]: f"{secret['secretName']}/{variable['secretKey']}"
            for secret in settings["secretAsEnv"]
            for variable in secret["keyToEnv"]
        }
        for name, settings in executors.items()
    }
    keys = {"AWS_ACCESS_KEY_ID": "s3/id", "AWS_SECRET_ACCESS_KEY": "s3/secret-key"}
    alerting = {"ReleaseGate_executor", "ReleasePusher_executor", "RunReporter_executor"}
    assert {name for name, variables in given.items() if "SLACK" in variables} == alerting
    assert given["ReleaseGate_executor"] == keys | {"SLACK": "hooks/slack"}
    assert given["Trainer_executor"] == keys
    (one,) = executors["Trainer_executor"]["secretAsEnv"]
    assert one["secretNameParameter"] == {"runtimeValue": {"constant": "s3"}}


@pytest.mark.parametrize("target", TARGETS)
def test_a_secret_that_lies_elsewhere_is_read_by_the_node_that_needs_it(
    target, with_secrets, tmp_path
):
    places = {name: p for name, p in with_secrets.cluster.secrets.items() if "secret:" in p}
    cluster = dataclasses.replace(CLUSTER, secrets=places | {"SLACK": "file:gs://bucket/hook"})
    elsewhere = dataclasses.replace(with_secrets, cluster=cluster)
    compile_pipeline(elsewhere, ROOT, target, tmp_path / "spec")
    spec = parsed(spec_in(tmp_path / "spec"))
    told = {node: list(container_of(spec, node).args) for node in ("ReleasePusher", "Trainer")}
    assert "HF_TOKEN=secret:projects/p/secrets/hub/versions/1" in told["ReleasePusher"]
    assert "SLACK=file:gs://bucket/hook" in told["ReleasePusher"]
    assert "--secret" not in told["Trainer"]


def test_without_alerts_a_failure_is_still_told_to_the_log(config, tmp_path):
    quiet = dataclasses.replace(config, alerts=dataclasses.replace(config.alerts, webhook=""))
    job = compile_pipeline(quiet, ROOT, "vertex", tmp_path / "pipeline.json")
    spec = parsed(job["pipelineSpec"])
    assert set(spec.root.dag.tasks) == {"tfx-dag", "RunReporter"}
    told = spec.root.dag.tasks["RunReporter"].inputs.parameters["alerts"].runtime_value.constant
    assert json.loads(told.string_value)["webhook"] == ""


def test_a_bucket_with_a_folder_named_as_the_checkout_keeps_its_name(config, tmp_path):
    corpus = f"gs://bucket{PACKAGE_HERE}/x"
    data = dataclasses.replace(config.data, corpus=corpus)
    compile_pipeline(dataclasses.replace(config, data=data), ROOT, "vertex", tmp_path / "spec")
    assert corpus in (tmp_path / "spec").read_text()


@pytest.mark.parametrize("end", ["", "/models", '"', " ", ":/bin"])
def test_a_path_of_this_machine_is_found_wherever_it_begins(end):
    assert PATH_HERE.sub("there", f"--at={PACKAGE_HERE}{end}") == f"--at=there{end}"


@pytest.mark.parametrize(
    "path", [f"{PACKAGE_HERE}-2", f"{PACKAGE_HERE}.old", f"/mnt{PACKAGE_HERE}"]
)
def test_a_path_that_only_looks_like_it_is_another_one(path):
    assert PATH_HERE.sub("there", path) == path


def test_an_engine_of_the_config_gets_the_images_package_and_places_below_the_root(
    config, tmp_path
):
    flags = ("--temp_location=gs://bucket/temp",)
    runner = RunnerConfig(engine="DataflowRunner", beam_flags=flags, image="registry/w2v:1")
    on_dataflow = dataclasses.replace(config, runner=runner)
    spec = compile_pipeline(on_dataflow, ROOT, "vertex", tmp_path / "pipeline.json")
    executors = spec["pipelineSpec"]["deploymentSpec"]["executors"]
    told = executors["SpeechExampleGen_executor"]["container"]["args"]
    assert {
        "--runner=DataflowRunner",
        "--sdk_container_image=registry/w2v:1",
        "--project=my-project",
        "--region=us-central1",
        f"--service_account_email={CLUSTER.service_account}",
        "--network=ours",
        f"--dataflow_kms_key={CLUSTER.encryption_key}",
        "--labels=team=speech",
        f"--staging_location={ROOT}/librispeech-100h/.dataflow/staging",
    } <= set(told)
    places = [one for one in told if one.startswith("--temp_location")]
    assert places[-1] == "--temp_location=gs://bucket/temp"  # the user's own wins
    assert "--setup_file" not in (tmp_path / "pipeline.json").read_text()


def test_an_engine_that_is_not_told_what_it_needs_is_refused(config, tmp_path):
    bare = dataclasses.replace(
        config, runner=RunnerConfig(engine="DataflowRunner"), cluster=ClusterConfig()
    )
    with pytest.raises(BadInputError, match="DataflowRunner needs --project"):
        compile_pipeline(bare, ROOT, "vertex", tmp_path / "pipeline.json")


def test_a_warm_start_and_a_tuning_compile_as_well(config, tmp_path):
    learning_on = dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, warm_start=True),
        tuning=TuningConfig(trial_steps=100),
    )
    job = compile_pipeline(learning_on, ROOT, "vertex", tmp_path / "pipeline.json")
    spec = parsed(job["pipelineSpec"])
    tasks = tasks_in(spec)
    assert set(tasks) == NODES | {"Tuner"}
    blessed = tasks["CheckpointImporter"].inputs.artifacts["last_blessed"].task_output_artifact
    assert blessed.producer_task == "LatestBlessed-model-resolver"
    assert (
        spec.components["CheckpointImporter"]
        .input_definitions.artifacts["last_blessed"]
        .is_optional
    )
    values = tasks["Trainer"].inputs.artifacts["hyperparameters"].task_output_artifact
    assert values.producer_task == "Tuner"
    told = str(tasks["Tuner"].inputs.parameters["custom_config"])
    assert f"{ROOT}/librispeech-100h/Tuner/.unfinished" in told
    # What the Tuner searches cannot be told, what it leaves alone reaches its trials.
    assert not {"steps_1", "learning_rate_1"} & set(spec.root.input_definitions.parameters)


def test_the_command_says_what_it_wrote_and_what_a_run_may_be_told(tmp_path):
    to = tmp_path / "demo.yaml"
    options = ["--root", ROOT, "--target", "kfp", "--to", str(to)]
    told = CliRunner().invoke(command, ["demo", *options], catch_exceptions=False)
    assert f"Wrote {to} for kfp: pipeline 'demo'" in told.output
    assert "steps_2" in told.output
    assert to.is_file()
