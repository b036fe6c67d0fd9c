"""Both services on this machine, each with its real client, and pipelines compiled for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient
from google.cloud.aiplatform_v1.services.pipeline_service.transports.rest import (
    PipelineServiceRestTransport,
)
from google.cloud.aiplatform_v1.services.schedule_service import ScheduleServiceClient
from google.cloud.aiplatform_v1.services.schedule_service.transports.rest import (
    ScheduleServiceRestTransport,
)

from kubeflow.schedules.asking import Backoff
from kubeflow.schedules.compiled import CompiledPipeline, read_compiled
from kubeflow.schedules.pipelines import KfpService
from kubeflow.schedules.service import ScheduleService
from kubeflow.schedules.vertex import VertexService
from pipeline.cluster_config import ClusterConfig, KfpConfig
from tests.kubeflow.schedules.kfp_server import KfpServer
from tests.kubeflow.schedules.loopback import LoopbackService, serving
from tests.kubeflow.schedules.vertex_server import VertexServer

SHORT = Backoff(first=0.01, longest=0.02, altogether=0.3)
CLUSTER = ClusterConfig(
    project="my-project",
    service_account="trainer@my-project.iam.gserviceaccount.com",
    network="projects/7/global/networks/inner",
    encryption_key="projects/my-project/locations/us-central1/keyRings/r/cryptoKeys/k",
)
ACCOUNT = "scheduler@my-project.iam.gserviceaccount.com"


def spec(name: str = "digits", image: str = "w2v:1", timezone: str = "UTC") -> dict[str, Any]:
    """A pipeline of one node that takes the run's span and date."""
    taken = ("span", "data_date")
    declared = {name: {"parameterType": "STRING", "defaultValue": ""} for name in taken}
    container = {"image": image, "command": ["python"], "args": ["--timezone", timezone]}
    return {
        "schemaVersion": "2.1.0",
        "sdkVersion": "tfx-1.16.0",
        "pipelineInfo": {"name": name},
        "root": {
            "inputDefinitions": {"parameters": declared},
            "dag": {
                "tasks": {
                    "Gen": {
                        "taskInfo": {"name": "Gen"},
                        "componentRef": {"name": "Gen"},
                        "inputs": {
                            "parameters": {
                                f"run_{name}": {"componentInputParameter": name} for name in taken
                            }
                        },
                    }
                }
            },
        },
        "components": {
            "Gen": {
                "executorLabel": "Gen_executor",
                "inputDefinitions": {
                    "parameters": {f"run_{name}": {"parameterType": "STRING"} for name in taken}
                },
            }
        },
        "deploymentSpec": {"executors": {"Gen_executor": {"container": container}}},
    }


def write_vertex(folder: Path, root: str = "gs://bucket/w2v/digits", **options: Any) -> Path:
    job = {
        "displayName": "digits",
        "labels": {"team": "speech"},
        "pipelineSpec": spec(**options),
        "runtimeConfig": {"gcsOutputDirectory": root},
    }
    path = folder / "pipeline.json"
    path.write_text(json.dumps(job))
    return path


def write_kfp(folder: Path, root: str = "gs://bucket/w2v/digits", **options: Any) -> Path:
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(spec(**options) | {"defaultPipelineRoot": root}))
    return path


@dataclass
class Place:
    """A service as the product sees it, and as it truly is."""

    service: ScheduleService
    server: Any
    compile: Callable[..., CompiledPipeline]


@pytest.fixture
def vertex_server() -> Iterator[VertexServer]:
    server = VertexServer()
    with serving(server):
        yield server


@pytest.fixture
def kfp_server() -> Iterator[KfpServer]:
    server = KfpServer()
    with serving(server):
        yield server


def vertex_service(
    server: LoopbackService,
    request_seconds: float = 5.0,
    credentials: Credentials | None = None,
) -> VertexService:
    """The real clients, by plain HTTP to this machine."""
    told = {
        "host": f"127.0.0.1:{server.port}",
        "credentials": credentials or AnonymousCredentials(),
        "url_scheme": "http",
    }
    return VertexService(
        CLUSTER,
        ScheduleServiceClient(transport=ScheduleServiceRestTransport(**told)),
        PipelineServiceClient(transport=PipelineServiceRestTransport(**told)),
        account=ACCOUNT,
        backoff=SHORT,
        request_seconds=request_seconds,
    )


def kfp_cluster(server: KfpServer, **options: Any) -> ClusterConfig:
    return ClusterConfig(service_account="runner", kfp=KfpConfig(host=server.host, **options))


def kfp_service(server: KfpServer, read_seconds: float = 5.0, **options: Any) -> KfpService:
    return KfpService(
        kfp_cluster(server, **options), backoff=SHORT, request_seconds=(5.0, read_seconds)
    )


@pytest.fixture
def vertex(vertex_server, tmp_path) -> Place:
    return Place(
        vertex_service(vertex_server),
        vertex_server,
        lambda **options: read_compiled(write_vertex(tmp_path, **options)),
    )


@pytest.fixture
def kubeflow(kfp_server, tmp_path) -> Place:
    return Place(
        kfp_service(kfp_server),
        kfp_server,
        lambda **options: read_compiled(write_kfp(tmp_path, **options)),
    )


@pytest.fixture(params=["vertex", "kubeflow"])
def place(request) -> Place:
    """Each test that takes it is of both services."""
    return request.getfixturevalue(request.param)
