"""A node's work as a custom job: Vertex AI's real client against a loopback server."""

import dataclasses
import json
import logging
import os
import re
import signal
import threading
from collections.abc import Callable
from concurrent import futures

import grpc
import pytest
from google.api_core.exceptions import Cancelled, InvalidArgument, PermissionDenied
from google.cloud.aiplatform.gapic import JobServiceClient
from google.cloud.aiplatform_v1.services.job_service.transports import JobServiceGrpcTransport
from google.cloud.aiplatform_v1.types import CancelCustomJobRequest, CustomJob, JobState
from google.cloud.aiplatform_v1.types.job_service import (
    CreateCustomJobRequest,
    GetCustomJobRequest,
    ListCustomJobsRequest,
    ListCustomJobsResponse,
)
from google.protobuf import empty_pb2
from tfx.types.standard_artifacts import Examples, Model

from kubeflow.compile import compile_pipeline
from kubeflow.container.custom_job import run_job, wanted_job
from kubeflow.spec.layout import tasks_of
from models.errors import PreemptedError, W2vError
from models.training.node import CONFIG_KEY
from pipeline.cluster_config import ClusterConfig, NodeNeeds, TrainingJob
from pipeline.config import load_config

ROOT = "gs://bucket/w2v"
PARENT = "projects/my-project/locations/us-central1"
SERVICE = "/google.cloud.aiplatform.v1.JobService/"
TPU = TrainingJob(
    machine="cloud-tpu",
    accelerator="TPU_V3",
    accelerators=8,
    spot=True,
    hours=48,
    image="registry/w2v:tpu",
)
GPUS = TrainingJob(
    machine="a2-highgpu-1g", accelerator="NVIDIA_TESLA_A100", accelerators=1, workers=4
)
SLICE = TrainingJob(machine="ct5lp-hightpu-8t", tpu_topology="2x4", image="registry/w2v:tpu")


class Service(grpc.GenericRpcHandler):
    """Answers as the job service does; `script` holds the answers to each look, in order."""

    def __init__(self, *script: JobState | grpc.StatusCode) -> None:
        self.script = list(script)
        self.created: list[CreateCustomJobRequest] = []
        self.cancelled: list[str] = []
        self.seen = threading.Event()
        self.refused: list[grpc.StatusCode] = []  # requests that it does not take
        self.lost: list[grpc.StatusCode] = []  # of what it takes, in place of the answer
        self.when_created: Callable[[], None] = lambda: None
        self.when_asked: Callable[[], None] = lambda: None
        self.cancel_refused = False

    def service(self, details):
        methods = {
            "CreateCustomJob": (self.create, CreateCustomJobRequest),
            "ListCustomJobs": (self.list, ListCustomJobsRequest),
            "GetCustomJob": (self.get, GetCustomJobRequest),
            "CancelCustomJob": (self.cancel, CancelCustomJobRequest),
        }
        work, request = methods[details.method.removeprefix(SERVICE)]
        return grpc.unary_unary_rpc_method_handler(
            work,
            request_deserializer=request.deserialize,
            response_serializer=lambda answer: answer.SerializeToString(),
        )

    def create(self, request, context):
        if self.refused:
            context.abort(self.refused.pop(0), "no room")
        self.created.append(request)
        self.when_created()
        if self.lost:
            context.abort(self.lost.pop(0), "the answer is lost")
        return self.job(JobState.JOB_STATE_QUEUED)

    def list(self, request, context):
        label, value = re.fullmatch(r'labels\.(\w+)="(\w+)"', request.filter).groups()
        found = [one for one in self.created if one.custom_job.labels[label] == value]
        jobs = [self.job(JobState.JOB_STATE_QUEUED) for _ in found]
        return ListCustomJobsResponse.pb(ListCustomJobsResponse(custom_jobs=jobs))

    def get(self, request, context):
        self.seen.set()
        self.when_asked()
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, grpc.StatusCode):
            context.abort(answer, "not now")
        return self.job(answer)

    def cancel(self, request, context):
        if self.cancel_refused:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such job")
        self.cancelled.append(request.name)
        return empty_pb2.Empty()

    def job(self, state: JobState):
        return CustomJob.pb(CustomJob(name=f"{PARENT}/customJobs/1", state=state))


@pytest.fixture
def serve():
    servers = []

    def start(*script) -> tuple[Service, JobServiceClient]:
        server, service = grpc.server(futures.ThreadPoolExecutor(2)), Service(*script)
        server.add_generic_rpc_handlers((service,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        return service, JobServiceClient(transport=JobServiceGrpcTransport(channel=channel))

    yield start
    for server in servers:
        server.stop(None)


def work(client: JobServiceClient) -> None:
    run_job(client, PARENT, CustomJob(display_name="it"), seconds_between_looks=0.01)


def test_a_service_that_is_away_for_a_while_does_not_end_a_training(serve):
    away = grpc.StatusCode.UNAVAILABLE
    running, done = JobState.JOB_STATE_RUNNING, JobState.JOB_STATE_SUCCEEDED
    service, client = serve(running, away, running, grpc.StatusCode.INTERNAL, done)
    work(client)
    assert [request.parent for request in service.created] == [PARENT]
    assert service.cancelled == []


@pytest.mark.parametrize("end", ["FAILED", "EXPIRED", "CANCELLED"])
def test_a_job_that_did_not_end_well_fails_the_node_in_one_sentence(end, serve):
    _, client = serve(JobState[f"JOB_STATE_{end}"])
    with pytest.raises(W2vError, match=f"customJobs/1 ended as JOB_STATE_{end}; its log"):
        work(client)


def test_a_job_that_cannot_be_watched_is_not_left_running(serve):
    # Given an error that no waiting mends
    service, client = serve(grpc.StatusCode.PERMISSION_DENIED)
    with pytest.raises(PermissionDenied, match="not now"):
        work(client)
    assert service.cancelled == [f"{PARENT}/customJobs/1"]


def test_a_job_that_cannot_be_cancelled_either_hides_no_cause(serve):
    service, client = serve(grpc.StatusCode.PERMISSION_DENIED)
    service.cancel_refused = True
    with pytest.raises(PermissionDenied, match="not now"):
        work(client)


def test_a_job_that_cannot_be_asked_to_stop_hides_no_cause(serve, caplog):
    # Given a connection that breaks, so that the client has an error of its own
    service, client = serve(JobState.JOB_STATE_RUNNING)
    service.when_asked = client.transport.close
    with caplog.at_level(logging.WARNING), pytest.raises(Cancelled):
        work(client)
    assert "customJobs/1 was not cancelled: Cannot invoke RPC" in caplog.text


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "PERMISSION_DENIED"])
def test_a_job_whose_launch_was_not_answered_is_found_and_watched(code, serve):
    service, client = serve(JobState.JOB_STATE_SUCCEEDED)
    service.lost = [grpc.StatusCode[code]]
    work(client)
    assert len(service.created) == 1


def test_a_job_that_the_service_had_no_room_for_is_launched_again(serve):
    service, client = serve(JobState.JOB_STATE_SUCCEEDED)
    service.refused = [grpc.StatusCode.RESOURCE_EXHAUSTED]
    work(client)
    assert len(service.created) == 1


def test_a_job_that_the_service_does_not_want_is_not_launched(serve):
    service, client = serve(JobState.JOB_STATE_SUCCEEDED)
    service.refused = [grpc.StatusCode.INVALID_ARGUMENT]
    with pytest.raises(InvalidArgument, match="no room"):
        work(client)
    assert service.created == []


def test_a_node_that_is_told_to_stop_while_its_job_is_launched_ends_the_job(serve):
    # Given a signal that comes before the service has named the job
    service, client = serve(JobState.JOB_STATE_RUNNING)
    service.when_created = lambda: os.kill(os.getpid(), signal.SIGTERM)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(PreemptedError):
        work(client)
    assert service.cancelled == [f"{PARENT}/customJobs/1"]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_cancelled_pipeline_leaves_no_machine_running(serve):
    service, client = serve(JobState.JOB_STATE_RUNNING)

    def cancel_once_it_runs() -> None:
        service.seen.wait()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=cancel_once_it_runs).start()
    with pytest.raises(PreemptedError):
        work(client)
    assert service.cancelled == [f"{PARENT}/customJobs/1"]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compiled")

    def trainer_on(job: TrainingJob | None) -> tuple[dict, dict]:
        cluster = ClusterConfig(
            project="my-project",
            training=job,
            nodes={"default": NodeNeeds(hours=6), "Trainer": NodeNeeds(accelerator="NVIDIA_L4")},
            labels={"team": "speech"},
            service_account="runner@my-project.iam.gserviceaccount.com",
            network="projects/1/global/networks/ours",
            encryption_key="projects/p/locations/l/keyRings/r/cryptoKeys/k",
        )
        config = dataclasses.replace(load_config("demo", root=ROOT), cluster=cluster)
        spec = compile_pipeline(config, ROOT, "vertex", folder / "pipeline.json")["pipelineSpec"]
        container = spec["deploymentSpec"]["executors"]["Trainer_executor"]["container"]
        inputs = tasks_of(spec)["Trainer"]["inputs"]["parameters"]
        properties = {
            name: source["runtimeValue"]["constant"]
            for name, source in inputs.items()
            if "runtimeValue" in source
        }
        return container, properties

    return trainer_on


def executor_in(container: dict) -> str:
    args = container["args"]
    return args[args.index("--executor_class_path") + 1]


def test_who_watches_a_job_leaves_its_limit_of_time_to_the_job(compiled):
    assert "--time_limit" not in compiled(TPU)[0]["args"]
    assert "--time_limit" in compiled(None)[0]["args"]


def test_who_watches_a_job_keeps_no_accelerator_from_others(compiled):
    assert "accelerator" not in compiled(TPU)[0]["resources"]
    assert compiled(None)[0]["resources"]["accelerator"]["type"] == "NVIDIA_L4"


def job_of(properties: dict) -> CustomJob:
    examples, model = Examples(), Model()
    examples.uri, model.uri = "gs://bucket/examples", "gs://bucket/model"
    parent, job = wanted_job({"examples": [examples]}, {"model": [model]}, properties)
    assert parent == PARENT
    return job


def test_a_tpu_by_its_type(compiled):
    container, properties = compiled(TPU)
    assert executor_in(container) == "kubeflow.container.custom_job.Executor"
    job = job_of(properties)
    (pool,) = job.job_spec.worker_pool_specs
    assert pool.machine_spec.accelerator_type.name == "TPU_V3"
    assert pool.machine_spec.accelerator_count == 8
    assert pool.container_spec.image_uri == "registry/w2v:tpu"
    assert job.job_spec.scheduling.strategy.name == "SPOT"
    assert job.job_spec.scheduling.timeout.total_seconds() == 48 * 3600
    assert job.job_spec.service_account == "runner@my-project.iam.gserviceaccount.com"
    assert job.job_spec.network == "projects/1/global/networks/ours"
    assert job.encryption_spec.kms_key_name.endswith("cryptoKeys/k")
    assert job.labels["team"] == "speech"


def test_a_tpu_by_its_topology_in_an_image_of_its_own(compiled):
    (pool,) = job_of(compiled(SLICE)[1]).job_spec.worker_pool_specs
    assert pool.machine_spec.tpu_topology == "2x4"
    assert pool.container_spec.image_uri == "registry/w2v:tpu"


def test_several_machines_are_a_chief_and_its_workers(compiled):
    chief, workers = job_of(compiled(GPUS)[1]).job_spec.worker_pool_specs
    assert (chief.replica_count, workers.replica_count) == (1, 3)
    assert workers.machine_spec.accelerator_type.name == "NVIDIA_TESLA_A100"
    assert chief.container_spec.image_uri == "wav2vec2-tfx"


def test_the_job_runs_what_the_container_would_have_run(compiled):
    container, without = compiled(None)
    command = list(job_of(compiled(TPU)[1]).job_spec.worker_pool_specs[0].container_spec.command)
    told = dict(zip(command[3::2], command[4::2], strict=True))
    assert told["--executor_class_path"] == executor_in(container)
    properties = json.loads(told["--exec-properties"])
    # So a training that goes on from its last checkpoint finds it, wherever it ran before
    assert json.loads(properties["custom_config"]) == json.loads(without["custom_config"])
    assert CONFIG_KEY in json.loads(properties["custom_config"])
