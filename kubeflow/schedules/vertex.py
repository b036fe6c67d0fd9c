"""Schedules and runs on Vertex AI."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import google.auth
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions
from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient
from google.cloud.aiplatform_v1.services.schedule_service import ScheduleServiceClient
from google.cloud.aiplatform_v1.types import PipelineJob, PipelineState, PipelineTaskDetail
from google.cloud.aiplatform_v1.types import Schedule as VertexSchedule
from google.protobuf import field_mask_pb2

from kubeflow.schedules.asking import PATIENT, Asker, Backoff
from kubeflow.schedules.google_client import (
    LOGIN_CURE,
    NO_CREDENTIALS,
    account_of,
    answer_of,
)
from kubeflow.schedules.service import (
    End,
    Outcome,
    Schedule,
    State,
    SubmittedRun,
    WantedRun,
    WantedSchedule,
    digest_of,
    ids_to_try,
    outcome_of,
    state_named,
)
from kubeflow.spec.vertex_job import job_settings
from models.errors import BadInputError
from pipeline.cluster_config import ClusterConfig

# A schedule has no labels of its own, but keeps those of the job that it makes again and again.
DIGEST_LABEL = "w2v-schedule"
BECOMES_LABEL = "w2v-becomes"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
REQUEST_SECONDS = 60.0
STATES: dict[str, State] = {"ACTIVE": "active", "PAUSED": "paused", "COMPLETED": "completed"}
ENDS: dict[int, End] = {
    PipelineState.PIPELINE_STATE_SUCCEEDED: "succeeded",
    PipelineState.PIPELINE_STATE_FAILED: "failed",
    PipelineState.PIPELINE_STATE_CANCELLED: "cancelled",
}


def connect_to_vertex(cluster: ClusterConfig) -> VertexService:
    """The service of the config's project and region, with this machine's own credentials."""
    if not cluster.project:
        raise BadInputError(
            "cluster.project is missing: name the Google Cloud project, such as "
            "--set cluster.project=my-project."
        )
    try:
        credentials, _ = google.auth.default(scopes=[SCOPE])
    except auth_exceptions.DefaultCredentialsError as error:
        raise BadInputError(NO_CREDENTIALS) from error
    options = {"api_endpoint": f"{cluster.region}-aiplatform.googleapis.com"}
    return VertexService(
        cluster,
        ScheduleServiceClient(credentials=credentials, transport="rest", client_options=options),
        PipelineServiceClient(credentials=credentials, transport="rest", client_options=options),
        account=account_of(credentials),
    )


class VertexService:
    """`ScheduleService` by the REST API of Vertex AI."""

    def __init__(
        self,
        cluster: ClusterConfig,
        schedules: ScheduleServiceClient,
        jobs: PipelineServiceClient,
        account: str = "this account",
        backoff: Backoff = PATIENT,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._cluster = cluster
        self._schedules = schedules
        self._jobs = jobs
        self._parent = f"projects/{cluster.project}/locations/{cluster.region}"
        self._seconds = request_seconds
        self._asker = Asker(
            place=f"Vertex AI ({cluster.project}, {cluster.region})",
            account=account,
            permission_cure=(
                "give that account the role roles/aiplatform.user in the project, and "
                "roles/iam.serviceAccountUser on cluster.service_account"
            ),
            login_cure=LOGIN_CURE,
            answer_of=answer_of,
            backoff=backoff,
        )

    @property
    def place(self) -> str:
        return self._asker.place

    def find(self, name: str | None = None) -> list[Schedule]:
        request = {"parent": self._parent, "order_by": "create_time"}
        if name is not None:
            request["filter"] = f'display_name="{name}"'
        listed = self._asker.ask(
            "list its schedules",
            lambda: [
                one.name for one in self._schedules.list_schedules(request, timeout=self._seconds)
            ],
        )
        # A list may leave out what the schedule makes, and with it our label.
        found = [self._get(id) for id in listed]
        return [_read(one) for one in found if DIGEST_LABEL in _labels_of(one)]

    def digest(self, wanted: WantedSchedule) -> str:
        return digest_of(
            {"job": self._scheduled_job(wanted), "start": wanted.start, "end": wanted.end}
        )

    def create(self, wanted: WantedSchedule, becomes: State | None = None) -> Schedule:
        """A new schedule; one that takes another's place is paused as soon as it is there.

        Vertex AI makes active ones only, so for the moment between two requests there are two.
        """
        digest = self.digest(wanted)
        labels = {DIGEST_LABEL: digest} | ({BECOMES_LABEL: becomes} if becomes else {})
        job = self._scheduled_job(wanted)
        job["labels"] = {**job.get("labels", {}), **labels}
        asked = VertexSchedule(
            display_name=wanted.name,
            cron=_cron_of(wanted),
            # The first is of runs being started, the second of runs that run.
            max_concurrent_run_count=wanted.max_concurrent,
            max_concurrent_active_run_count=wanted.max_concurrent,
            start_time=wanted.start,
            end_time=wanted.end,
            create_pipeline_job_request={"parent": self._parent, "pipeline_job": _as_job(job)},
        )
        made = self._asker.ask(
            f"create the schedule {wanted.name!r}",
            lambda: _read(
                self._schedules.create_schedule(
                    parent=self._parent, schedule=asked, timeout=self._seconds
                )
            ),
            lambda: next((one for one in self.find(wanted.name) if one.digest == digest), None),
        )
        if becomes is None:
            return made
        try:
            self.pause(made)
        except Exception:
            self.delete(made)
            raise
        return _read(self._get(made.id))

    def adjust(self, schedule: Schedule, wanted: WantedSchedule) -> Schedule | None:
        changed = VertexSchedule(name=schedule.id)
        mask = []
        if (schedule.timezone, schedule.cron) != (wanted.cron.timezone, wanted.cron.text):
            changed.cron = _cron_of(wanted)
            mask.append("cron")
        if schedule.max_concurrent != wanted.max_concurrent:
            changed.max_concurrent_run_count = wanted.max_concurrent
            changed.max_concurrent_active_run_count = wanted.max_concurrent
            mask += ["max_concurrent_run_count", "max_concurrent_active_run_count"]
        if not mask:
            return None
        return self._asker.ask(
            f"change the schedule {wanted.name!r}",
            lambda: _read(
                self._schedules.update_schedule(
                    schedule=changed,
                    update_mask=field_mask_pb2.FieldMask(paths=mask),
                    timeout=self._seconds,
                )
            ),
        )

    def pause(self, schedule: Schedule) -> None:
        pause = partial(self._schedules.pause_schedule, name=schedule.id, timeout=self._seconds)
        self._turn(schedule, "pause", pause, "paused")

    def resume(self, schedule: Schedule, catch_up: bool) -> None:
        resume = partial(
            self._schedules.resume_schedule,
            name=schedule.id,
            catch_up=catch_up,
            timeout=self._seconds,
        )
        self._turn(schedule, "resume", resume, "active")

    def delete(self, schedule: Schedule) -> None:
        def delete() -> None:
            try:
                self._schedules.delete_schedule(name=schedule.id, timeout=self._seconds)
            except exceptions.NotFound:
                return  # an earlier try did it, or somebody else

        self._asker.ask(f"delete the schedule {schedule.name!r}", delete)

    def submit(self, run: WantedRun) -> SubmittedRun:
        document = run.pipeline.document
        runtime = document.get("runtimeConfig", {})
        values = {**runtime.get("parameterValues", {}), **run.parameters}
        job = _as_job(
            {
                **document,
                **job_settings(self._cluster),
                "runtimeConfig": {**runtime, "parameterValues": values},
            }
        )

        def submit() -> SubmittedRun:
            tried = (self._made_or_found(id, job) for id in ids_to_try(run.id))
            return next(one for one in tried if one)

        return self._asker.ask(f"submit the run {run.id!r}", submit)

    def outcome(self, run: SubmittedRun) -> Outcome | None:
        job = self._asker.ask(
            f"tell the state of the run {run.id!r}",
            lambda: self._jobs.get_pipeline_job(name=run.id, timeout=self._seconds),
        )
        end = ENDS.get(job.state)
        return end and outcome_of(end, job.error.message, _failed_tasks(job))

    def _made_or_found(self, id: str, job: PipelineJob) -> SubmittedRun | None:
        """The run of this id; None where it failed or was cancelled."""
        run = SubmittedRun(
            f"{self._parent}/pipelineJobs/{id}",
            "https://console.cloud.google.com/vertex-ai/locations/"
            f"{self._cluster.region}/pipelines/runs/{id}?project={self._cluster.project}",
        )
        try:
            self._jobs.create_pipeline_job(
                parent=self._parent, pipeline_job=job, pipeline_job_id=id, timeout=self._seconds
            )
        except exceptions.Conflict:
            outcome = self.outcome(run)
            return replace(run, found=True) if outcome is None or outcome.succeeded else None
        return run

    def _turn(self, schedule: Schedule, verb: str, turn: Callable[[], None], into: State) -> None:
        """Once turned, a schedule cannot be turned so again: that would be an error."""

        def turn_now() -> bool:
            turn()
            return True

        self._asker.ask(
            f"{verb} the schedule {schedule.name!r}",
            turn_now,
            lambda: _read(self._get(schedule.id)).state == into or None,
        )

    def _get(self, id: str) -> VertexSchedule:
        return self._asker.ask(
            f"show the schedule {id!r}",
            partial(self._schedules.get_schedule, name=id, timeout=self._seconds),
        )

    def _scheduled_job(self, wanted: WantedSchedule) -> dict[str, Any]:
        # Who it runs as may have changed since it was compiled.
        return {**wanted.pipeline.at_scheduled_time().document, **job_settings(self._cluster)}


def _failed_tasks(job: PipelineJob) -> Iterator[tuple[str, str]]:
    for task in job.job_detail.task_details:
        if task.state == PipelineTaskDetail.State.FAILED:
            yield task.task_name, task.error.message


def _as_job(job: Mapping[str, Any]) -> PipelineJob:
    return PipelineJob.from_json(json.dumps(job))


def _cron_of(wanted: WantedSchedule) -> str:
    return f"TZ={wanted.cron.timezone} {wanted.cron.text}"


def _labels_of(schedule: VertexSchedule) -> Mapping[str, str]:
    return schedule.create_pipeline_job_request.pipeline_job.labels


def _read(schedule: VertexSchedule) -> Schedule:
    labels = _labels_of(schedule)
    state = STATES.get(VertexSchedule.State(schedule.state).name, "completed")
    zone, _, cron = schedule.cron.partition(" ")
    return Schedule(
        id=schedule.name,
        name=schedule.display_name,
        state=state,
        cron=cron,
        timezone=zone.removeprefix("TZ="),
        max_concurrent=schedule.max_concurrent_run_count,
        digest=labels.get(DIGEST_LABEL, ""),
        becomes=state_named(labels.get(BECOMES_LABEL)),
        next_run=_moment(schedule) if state == "active" else None,
    )


def _moment(schedule: VertexSchedule) -> datetime.datetime | None:
    moment = schedule.next_run_time
    return datetime.datetime.fromtimestamp(moment.timestamp(), datetime.UTC) if moment else None
