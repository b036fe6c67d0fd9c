"""Runs a node's executor as a custom job of Vertex AI, on machines that its container is not.

TFX's own extension writes the job; launching and watching it are ours. Its polling gives up after
two minutes without an answer, waits for ever for a job that ran out of time, and leaves the job
running, and costing, when the pipeline is cancelled.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import signal
import time
import uuid
from collections.abc import Iterator
from typing import Any

from google.api_core import exceptions, retry
from google.cloud.aiplatform.gapic import JobServiceClient
from google.cloud.aiplatform_v1.types import CustomJob, JobState, ListCustomJobsRequest
from tfx.dsl.components.base import base_executor
from tfx.extensions.google_cloud_ai_platform.constants import VERTEX_REGION_KEY
from tfx.extensions.google_cloud_ai_platform.trainer.executor import TRAINING_ARGS_KEY
from tfx.extensions.google_cloud_ai_platform.training_clients import VertexJobClient
from tfx.types import Artifact

from models.errors import PreemptedError, W2vError

log = logging.getLogger(__name__)

EXECUTOR_KEY = "executor"  # in custom_config: the class path of what the job runs
# Instead of TFX's own entry point: it tells every error as a traceback and exit code 1.
ENTRY_POINT = ("python", "-m", "kubeflow.container.job")
SECONDS_BETWEEN_LOOKS = 30.0
ENDED_WELL = {JobState.JOB_STATE_SUCCEEDED}
ENDED = ENDED_WELL | {
    JobState.JOB_STATE_FAILED,
    JobState.JOB_STATE_CANCELLED,
    JobState.JOB_STATE_EXPIRED,
    JobState.JOB_STATE_PARTIALLY_SUCCEEDED,
}
PASSING = retry.if_exception_type(
    exceptions.ServiceUnavailable,
    exceptions.InternalServerError,
    exceptions.TooManyRequests,
    exceptions.GatewayTimeout,
    ConnectionError,
)
# A training of days must not end because its service was away for minutes.
PATIENTLY = retry.Retry(predicate=PASSING, initial=1, maximum=60, timeout=3600)
ONCE_THERE_IS_ROOM = retry.Retry(predicate=PASSING, initial=1, maximum=60, timeout=900)
LAUNCH_LABEL = "w2v_launch"


class Executor(base_executor.BaseExecutor):
    """Stands in for the executor that the job runs: same inputs, outputs and properties."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        parent, job = wanted_job(input_dict, output_dict, exec_properties)
        region = parent.rpartition("/")[2]
        endpoint = {"api_endpoint": f"{region}-aiplatform.googleapis.com"}
        run_job(JobServiceClient(client_options=endpoint), parent, job)


class _JobWriter(VertexJobClient):
    """TFX's extension, of which only the writing is wanted."""

    def create_client(self) -> None:
        pass

    def generate_container_command(self, *work: Any) -> list[str]:
        command = super().generate_container_command(*work)
        return [*ENTRY_POINT, *command[command.index("--executor_class_path") :]]


def wanted_job(
    input_dict: dict[str, list[Artifact]],
    output_dict: dict[str, list[Artifact]],
    exec_properties: dict[str, Any],
) -> tuple[str, CustomJob]:
    """Where the job is to run, and what it is; the executor in it is told nothing of jobs."""
    told = json.loads(exec_properties["custom_config"])
    args = told.pop(TRAINING_ARGS_KEY)
    region, executor = told.pop(VERTEX_REGION_KEY), told.pop(EXECUTOR_KEY)
    parent = f"projects/{args.pop('project')}/locations/{region}"
    properties = exec_properties | {"custom_config": json.dumps(told, sort_keys=True)}
    job = _JobWriter(region).create_training_job(
        input_dict, output_dict, properties, executor, args, None, None
    )
    return parent, CustomJob(job)


def run_job(
    client: JobServiceClient,
    parent: str,
    job: CustomJob,
    seconds_between_looks: float = SECONDS_BETWEEN_LOOKS,
) -> None:
    """Launch a job and stay until it has ended; it ends with us when we are told to go."""
    with _noting_a_stop() as told:
        seen = _launch(client, parent, job)
        log.info("custom job %s is launched", seen.name)
        with _ending_with_us(client, seen.name, told):
            while seen.state not in ENDED:
                time.sleep(seconds_between_looks)
                seen = client.get_custom_job(name=seen.name, retry=PATIENTLY)
    if seen.state not in ENDED_WELL:
        raise W2vError(
            f"The custom job {seen.name} ended as {JobState(seen.state).name}"
            f"{': ' + seen.error.message if seen.error.message else ''}; its log in Vertex AI says "
            "more."
        )


def _launch(client: JobServiceClient, parent: str, job: CustomJob) -> CustomJob:
    """One job, though its launch is asked for again: an answer may be lost, and the job be there.

    A label of this launch alone says whether it is.
    """
    marked, mark = CustomJob(job), uuid.uuid4().hex[:12]
    marked.labels[LAUNCH_LABEL] = mark
    by_mark = ListCustomJobsRequest(parent=parent, filter=f'labels.{LAUNCH_LABEL}="{mark}"')
    tries = itertools.count()

    def find() -> CustomJob | None:
        return next(iter(client.list_custom_jobs(request=by_mark)), None)

    def launch() -> CustomJob:
        there = find() if next(tries) else None
        return there or client.create_custom_job(parent=parent, custom_job=marked)

    try:
        return ONCE_THERE_IS_ROOM(launch)()
    except Exception:
        there = None
        try:
            there = find()
        except Exception as error:  # why it was not launched is told, not this
            log.warning("a custom job may run, labelled %s=%s: %s", LAUNCH_LABEL, mark, error)
        if there is None:
            raise
        return there


@contextlib.contextmanager
def _noting_a_stop() -> Iterator[list[int]]:
    """A launch is not broken off: its job would run, and nobody would know its name."""
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _ending_with_us(client: JobServiceClient, name: str, told: list[int]) -> Iterator[None]:
    """Whatever takes us away from the job ends it: a signal, noted or to come, or any error."""

    def stop(*_: Any) -> None:
        raise PreemptedError(f"The node was told to stop, and so was its custom job {name}.")

    try:
        signal.signal(signal.SIGTERM, stop)
        if told:
            stop()
        yield
    except BaseException:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # told twice, we still end the job
        try:
            client.cancel_custom_job(name=name, retry=PATIENTLY)
        except Exception as error:  # what took us away is told, not this
            log.warning("the custom job %s was not cancelled: %s", name, error)
        raise
