"""Runs by hand: one now, or one for each day that has passed, no more at once than is allowed."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from kubeflow.names import DATA_DATE
from kubeflow.schedules.compiled import CompiledPipeline, Value
from kubeflow.schedules.service import ID_LETTERS, ScheduleService, SubmittedRun, WantedRun
from models.errors import BadInputError

SECONDS_BETWEEN_LOOKS = 60.0


def days_between(first: datetime.date, last: datetime.date) -> list[datetime.date]:
    """Every day from the first to the last.

    >>> [str(day) for day in days_between(datetime.date(2026, 1, 31), datetime.date(2026, 2, 1))]
    ['2026-01-31', '2026-02-01']
    """
    if last < first:
        raise BadInputError(f"--to-date {last} is before --for-date {first}.")
    return [first + datetime.timedelta(days=ahead) for ahead in range((last - first).days + 1)]


def submit_now(
    service: ScheduleService, pipeline: CompiledPipeline, values: Mapping[str, Value]
) -> SubmittedRun:
    """Submit one run, which reads the newest data unless a value says otherwise."""
    return service.submit(WantedRun(pipeline, run_id(pipeline.name, f"now-{_stamp()}"), values))


def submit_for_dates(
    service: ScheduleService,
    pipeline: CompiledPipeline,
    days: Sequence[datetime.date],
    at_once: int,
    values: Mapping[str, Value] = MappingProxyType({}),
    wait: Callable[[], None] = lambda: time.sleep(SECONDS_BETWEEN_LOOKS),
) -> Iterator[tuple[datetime.date, SubmittedRun]]:
    """Submit a run for each day, each as soon as fewer than `at_once` of the earlier ones run."""
    pipeline.check_takes(DATA_DATE)
    asked_at = _stamp()
    running: list[SubmittedRun] = []
    for day in days:
        while len(running) >= at_once:
            running = [run for run in running if not service.is_done(run)]
            if len(running) >= at_once:
                wait()
        id = run_id(pipeline.name, f"for-{day}-{asked_at}")
        run = service.submit(WantedRun(pipeline, id, {**values, DATA_DATE: day.isoformat()}))
        running.append(run)
        yield day, run


def _stamp() -> str:
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%d%H%M%S}"


def run_id(name: str, ending: str) -> str:
    """A run's id below a pipeline's name, as Vertex AI allows ids to be.

    >>> run_id("2nd-try", "for-2026-01-31")
    'run-2nd-try-for-2026-01-31'
    """
    ending = re.sub("[^a-z0-9-]", "-", ending.lower())
    begun = name if name[0].isalpha() else f"run-{name}"
    return f"{begun[: ID_LETTERS - len(ending) - 1]}-{ending}"
