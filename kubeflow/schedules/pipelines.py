"""Schedules and runs on Kubeflow Pipelines, where a schedule is called a recurring run."""

from __future__ import annotations

import datetime
import json
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Any

import kfp.client
import kfp_server_api
import urllib3

from kubeflow.schedules.asking import PATIENT, Answer, Asker, Backoff, innermost
from kubeflow.schedules.compiled import CompiledPipeline
from kubeflow.schedules.cron import Cron
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
from models.errors import BadInputError
from models.secrets import read_secret
from pipeline.cluster_config import ClusterConfig

# What a recurring run has that is ours to write in and is given back.
NOTE = re.compile(r"w2v-schedule (?P<digest>[0-9a-f]+)(?: becomes (?P<becomes>\w+))?")
STATES: dict[str, State] = {"ENABLED": "active", "DISABLED": "paused"}
ENDS: dict[str, End] = {
    "SUCCEEDED": "succeeded",
    "SKIPPED": "succeeded",
    "FAILED": "failed",
    "CANCELED": "cancelled",
}
PAGE = 100
Seconds = tuple[float, float]  # to connect, to read
REQUEST_SECONDS: Seconds = (10.0, 60.0)


class _Client(kfp.client.Client):
    """The SDK's client, whose first look at the server has a time limit as all others have."""

    def get_kfp_healthz(self, sleep_duration: int = 5) -> kfp_server_api.V2beta1GetHealthzResponse:
        # Tried again by our own asker, which does not fill the screen with tracebacks.
        return self.healthzs.healthz_service_get_healthz(_request_timeout=REQUEST_SECONDS)


def connect_to_kfp(cluster: ClusterConfig) -> KfpService:
    """The service at the config's host."""
    if not cluster.kfp.host:
        raise BadInputError(
            "cluster.kfp.host is missing: name the address of Kubeflow Pipelines, such as "
            "--set cluster.kfp.host=https://kfp.example.org/pipeline."
        )
    return KfpService(cluster)


class KfpService:
    """`ScheduleService` by the v2beta1 API of Kubeflow Pipelines."""

    def __init__(
        self,
        cluster: ClusterConfig,
        backoff: Backoff = PATIENT,
        request_seconds: Seconds = REQUEST_SECONDS,
    ) -> None:
        _refuse_what_is_googles(cluster)
        self._cluster = cluster
        self._seconds = request_seconds
        self._asker = Asker(
            place=f"Kubeflow Pipelines at {cluster.kfp.host}",
            account="the owner of cluster.kfp.token"
            if cluster.kfp.token
            else "a caller without a token",
            permission_cure="ask for access to the namespace, or check cluster.kfp.namespace",
            login_cure="check cluster.kfp.token",
            answer_of=answer_of,
            backoff=backoff,
        )
        place = cluster.kfp.token
        token = read_secret(place, "cluster.kfp.token", "the token") if place else None
        self._client: Any = self._asker.ask(
            "say whether it is up",
            lambda: _Client(
                host=cluster.kfp.host,
                # The client takes this one for "not told".
                namespace=cluster.kfp.namespace or "kubeflow",
                existing_token=token,
            ),
        )

    @property
    def place(self) -> str:
        return self._asker.place

    def find(self, name: str | None = None) -> list[Schedule]:
        listed = self._asker.ask("list its recurring runs", self._list)
        read = [_read(one) for one in sorted(listed, key=lambda one: one.created_at)]
        return [one for one in read if one is not None and name in (None, one.name)]

    def digest(self, wanted: WantedSchedule) -> str:
        """Of everything: a recurring run cannot be changed at all."""
        return digest_of(
            {
                "documents": [wanted.pipeline.document, wanted.pipeline.platform],
                "experiment": [self._cluster.kfp.namespace, self._cluster.kfp.experiment],
                "account": self._cluster.service_account,
                "cron": wanted.cron.text,
                "runs": [wanted.max_concurrent, wanted.catch_up],
                "between": [wanted.start, wanted.end],
            }
        )

    def create(self, wanted: WantedSchedule, becomes: State | None = None) -> Schedule:
        check_zone(wanted.cron)
        digest = self.digest(wanted)
        recurring = kfp_server_api.V2beta1RecurringRun(
            display_name=wanted.name,
            description=f"w2v-schedule {digest}" + (f" becomes {becomes}" if becomes else ""),
            experiment_id=self._experiment(),
            pipeline_spec=_documents(wanted.pipeline.at_scheduled_time()),
            runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters={}),
            service_account=self._cluster.service_account or None,
            max_concurrency=str(wanted.max_concurrent),
            no_catchup=not wanted.catch_up,
            mode="DISABLE" if becomes else "ENABLE",
            trigger=kfp_server_api.V2beta1Trigger(
                cron_schedule=kfp_server_api.V2beta1CronSchedule(
                    cron=f"0 {wanted.cron.text}",  # here it begins with the second
                    start_time=wanted.start,
                    end_time=wanted.end,
                )
            ),
        )

        def found() -> Schedule | None:
            return next((one for one in self.find(wanted.name) if one.digest == digest), None)

        def create() -> Schedule | None:
            return _read(
                self._client.recurring_runs.recurring_run_service_create_recurring_run(
                    recurring, _request_timeout=self._seconds
                )
            )

        made = self._asker.ask(f"create the recurring run {wanted.name!r}", create, found)
        assert made is not None  # it bears the note that it was given
        return made

    def adjust(self, schedule: Schedule, wanted: WantedSchedule) -> Schedule | None:
        return None  # what differs has another digest

    def pause(self, schedule: Schedule) -> None:
        self._asker.ask(
            f"disable the recurring run {schedule.name!r}",
            lambda: self._client.recurring_runs.recurring_run_service_disable_recurring_run(
                schedule.id, _request_timeout=self._seconds
            ),
        )

    def resume(self, schedule: Schedule, catch_up: bool) -> None:
        # Whether it catches up was settled when it was made.
        self._asker.ask(
            f"enable the recurring run {schedule.name!r}",
            lambda: self._client.recurring_runs.recurring_run_service_enable_recurring_run(
                schedule.id, _request_timeout=self._seconds
            ),
        )

    def delete(self, schedule: Schedule) -> None:
        def delete() -> None:
            try:
                self._client.recurring_runs.recurring_run_service_delete_recurring_run(
                    schedule.id, _request_timeout=self._seconds
                )
            except kfp_server_api.ApiException as error:
                if error.status != 404:  # an earlier try did it, or somebody else
                    raise

        self._asker.ask(f"delete the recurring run {schedule.name!r}", delete)

    def submit(self, run: WantedRun) -> SubmittedRun:
        experiment = self._experiment()

        def submit() -> SubmittedRun:
            tried = (self._made_or_found(name, run, experiment) for name in ids_to_try(run.id))
            return next(one for one in tried if one)

        return self._asker.ask(f"submit the run {run.id!r}", submit)

    def outcome(self, run: SubmittedRun) -> Outcome | None:
        found = self._asker.ask(
            f"tell the state of the run {run.id!r}",
            lambda: self._client.runs.run_service_get_run(run.id, _request_timeout=self._seconds),
        )
        return _outcome(found)

    def _made_or_found(self, name: str, run: WantedRun, experiment: str) -> SubmittedRun | None:
        """The run of this name; None where all of it failed or were cancelled."""
        # Looked for first, since the service takes two runs of one name.
        there = self._runs_named(name, experiment)
        for one in there:
            outcome = _outcome(one)
            if outcome is None or outcome.succeeded:
                return self._submitted(one.run_id, found=True)
        return None if there else self._submitted(self._create(name, run, experiment))

    def _create(self, name: str, run: WantedRun, experiment: str) -> str:
        asked = kfp_server_api.V2beta1Run(
            display_name=name,
            experiment_id=experiment,
            pipeline_spec=_documents(run.pipeline),
            runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=dict(run.parameters)),
            service_account=self._cluster.service_account or None,
        )
        return self._client.runs.run_service_create_run(
            asked, _request_timeout=self._seconds
        ).run_id

    def _submitted(self, id: str, found: bool = False) -> SubmittedRun:
        return SubmittedRun(id, f"{self._cluster.kfp.host.rstrip('/')}/#/runs/details/{id}", found)

    def _list(self) -> list[kfp_server_api.V2beta1RecurringRun]:
        found: list[kfp_server_api.V2beta1RecurringRun] = []
        token = ""
        while True:
            page = self._client.recurring_runs.recurring_run_service_list_recurring_runs(
                page_token=token,
                page_size=PAGE,
                namespace=self._client.get_user_namespace(),
                _request_timeout=self._seconds,
            )
            found += page.recurring_runs or []
            if not (token := page.next_page_token):
                return found

    def _runs_named(self, name: str, experiment: str) -> list[kfp_server_api.V2beta1Run]:
        page = self._client.runs.run_service_list_runs(
            experiment_id=experiment, filter=_named(name), _request_timeout=self._seconds
        )
        return page.runs or []

    def _experiment(self) -> str:
        """The id of the config's experiment, which is made where it is missing."""
        name = self._cluster.kfp.experiment
        namespace = self._client.get_user_namespace()

        def find() -> str | None:
            page = self._client.experiments.experiment_service_list_experiments(
                namespace=namespace, filter=_named(name), _request_timeout=self._seconds
            )
            return page.experiments[0].experiment_id if page.experiments else None

        def find_or_make() -> str:
            return find() or (
                self._client.experiments.experiment_service_create_experiment(
                    kfp_server_api.V2beta1Experiment(display_name=name, namespace=namespace),
                    _request_timeout=self._seconds,
                ).experiment_id
            )

        return self._asker.ask(f"find the experiment {name!r}", find_or_make)


def check_zone(cron: Cron) -> None:
    """Raise unless the zone is always as UTC is: a recurring run cannot be told another."""
    zone = zoneinfo.ZoneInfo(cron.timezone)
    year = datetime.date.today().year
    months = [
        datetime.datetime(year + later, month, 1, tzinfo=zone)
        for later in (0, 1)
        for month in range(1, 13)
    ]
    if any(moment.utcoffset() for moment in months):
        raise BadInputError(
            f"Kubeflow Pipelines cannot be told the time zone {cron.timezone}: it reads cron "
            "expressions in its server's own, UTC as installed; write the schedule in UTC, with "
            "--timezone UTC."
        )


def answer_of(error: Exception) -> Answer | None:
    """What an error of the generated client means."""
    if isinstance(error, kfp_server_api.ApiException):
        # Of a broken TLS connection it says 0.
        return Answer(error.status or None, _message_of(error))
    if isinstance(error, urllib3.exceptions.HTTPError):
        inner = getattr(error, "reason", None) or error
        timed_out = isinstance(inner, urllib3.exceptions.TimeoutError) and not isinstance(
            inner, urllib3.exceptions.NewConnectionError
        )
        return Answer(None, "no answer in time" if timed_out else innermost(error))
    return None


def _refuse_what_is_googles(cluster: ClusterConfig) -> None:
    """An encryption that is asked for and does not happen must not go unseen."""
    for name in ("network", "encryption_key"):
        if getattr(cluster, name):
            raise BadInputError(
                f"cluster.{name} is of Vertex AI alone, and Kubeflow Pipelines would not see to "
                f"it; leave it out there, with --set cluster.{name}=''."
            )


def _message_of(error: kfp_server_api.ApiException) -> str:
    try:
        body: Mapping[str, Any] = json.loads(error.body)
        return body.get("message") or body["error"]
    except (TypeError, ValueError, KeyError, AttributeError):
        return str(error.body or error.reason)


def _outcome(run: kfp_server_api.V2beta1Run) -> Outcome | None:
    end = ENDS.get(run.state)
    return end and outcome_of(end, _said(run.error), _failed_tasks(run))


def _failed_tasks(run: kfp_server_api.V2beta1Run) -> Iterator[tuple[str, str]]:
    tasks = (run.run_details and run.run_details.task_details) or []
    for task in tasks:
        if task.state == "FAILED":
            yield task.display_name, _said(task.error)


def _said(error: kfp_server_api.GooglerpcStatus | None) -> str:
    return (error and error.message) or ""


def _documents(pipeline: CompiledPipeline) -> dict[str, Any]:
    """What the SDK sends: the spec alone, or both documents by their names."""
    if not pipeline.platform:
        return dict(pipeline.document)
    return {"pipeline_spec": pipeline.document, "platform_spec": pipeline.platform}


def _named(name: str) -> str:
    equal = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [equal]})


def _read(recurring: kfp_server_api.V2beta1RecurringRun) -> Schedule | None:
    """A recurring run of ours; None for one of somebody else's."""
    note = NOTE.search(recurring.description or "")
    if note is None:
        return None
    timing = recurring.trigger.cron_schedule
    state = STATES.get(recurring.status, "completed")
    cron = timing.cron.split(" ", 1)[1]
    now = datetime.datetime.now(datetime.UTC)
    next_run = Cron.parse(cron, "UTC").after(max(now, timing.start_time or now))
    if next_run is None or state != "active" or (timing.end_time and next_run > timing.end_time):
        next_run = None
    return Schedule(
        id=recurring.recurring_run_id,
        name=recurring.display_name,
        state=state,
        cron=cron,
        timezone="UTC",
        max_concurrent=int(recurring.max_concurrency or 1),
        digest=note["digest"],
        becomes=state_named(note["becomes"]),
        next_run=next_run,
    )
