"""The Dataflow job of a node: known by a name of its own, and ended with the node.

Beam waits for its job and no more: who ends a node that waits leaves the job running, and costing.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

log = logging.getLogger(__name__)

RUNNER_FLAG = "--runner=DataflowRunner"
JOB_NAME_FLAG = "--job_name"
# A job that was on its way to the service when we looked has arrived after so long.
SECONDS_TO_ARRIVE = 3.0


def with_job_name(beam_args: Sequence[str], executor: str) -> list[str]:
    """Beam's flags with a name for the job that no other try has; without Dataflow, as they are.

    >>> with_job_name(["--runner=FnApiRunner"], "tfx.components.statistics_gen.executor.Executor")
    ['--runner=FnApiRunner']
    """
    if RUNNER_FLAG not in beam_args:
        return list(beam_args)
    given = [flag.partition("=")[2] for flag in beam_args if flag.startswith(f"{JOB_NAME_FLAG}=")]
    name = given[-1] if given else _name_of(executor)
    return [*beam_args, f"{JOB_NAME_FLAG}={name}-{uuid.uuid4().hex[:12]}"]


def end_job(beam_args: Sequence[str]) -> None:
    """Cancel what of these flags' job has not ended; nothing to do where none was sent."""
    if RUNNER_FLAG not in beam_args:
        return
    from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

    options = PipelineOptions(list(beam_args)).view_as(GoogleCloudOptions)
    client = _client(options)
    _cancel(client, options)
    time.sleep(SECONDS_TO_ARRIVE)
    _cancel(client, options)


def _name_of(executor: str) -> str:
    """The component's, as in `tfx.components.statistics_gen.executor.Executor`."""
    *_, component, _, _ = ("node", "", *executor.split("."))
    return component.replace("_", "-").lower() or "node"


def _client(options: Any) -> Any:
    """Beam's own client of Dataflow, with the credentials that Beam sends jobs with."""
    from apache_beam.internal.gcp.auth import get_service_credentials
    from apache_beam.internal.http_client import get_new_http
    from apache_beam.runners.dataflow.internal.clients.dataflow import DataflowV1b3

    return DataflowV1b3(
        url=options.dataflow_endpoint,
        credentials=None if options.no_auth else get_service_credentials(options),
        get_credentials=not options.no_auth,
        http=get_new_http(),
    )


def _cancel(client: Any, options: Any) -> None:
    from apache_beam.runners.dataflow.internal.clients import dataflow as messages
    from apitools.base.py.exceptions import HttpError

    cancelled = messages.Job.RequestedStateValueValuesEnum.JOB_STATE_CANCELLED
    for job in _running(client, options):
        request = messages.DataflowProjectsLocationsJobsUpdateRequest(
            projectId=options.project,
            location=options.region,
            jobId=job.id,
            job=messages.Job(requestedState=cancelled),
        )
        try:
            client.projects_locations_jobs.Update(request)
        except HttpError as error:  # it may have ended by itself meanwhile
            log.warning("the Dataflow job %s was not cancelled: %s", job.id, error)
        else:
            log.info("the Dataflow job %s is cancelled", job.id)


def _running(client: Any, options: Any) -> Iterator[Any]:
    """Those of our name alone; whether others of the project run is none of our business."""
    from apache_beam.runners.dataflow.internal.clients import dataflow as messages

    request = messages.DataflowProjectsLocationsJobsListRequest(
        projectId=options.project,
        location=options.region,
        filter=messages.DataflowProjectsLocationsJobsListRequest.FilterValueValuesEnum.ACTIVE,
    )
    while True:
        answer = client.projects_locations_jobs.List(request)
        yield from (job for job in answer.jobs if job.name == options.job_name)
        if not answer.nextPageToken:
            return
        request.pageToken = answer.nextPageToken
