"""Runs by hand: one now, or one for each day that has passed, no more at once than is allowed."""

from __future__ import annotations

import datetime
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from kubeflow.names import DATA_DATE
from kubeflow.schedules.asking import ServiceError
from kubeflow.schedules.compiled import CompiledPipeline, Value
from kubeflow.schedules.service import (
    ID_LETTERS,
    Outcome,
    ScheduleService,
    SubmittedRun,
    WantedRun,
)
from models.errors import BadInputError

SECONDS_BETWEEN_LOOKS = 60.0
Answered = TypeVar("Answered")


@dataclass(frozen=True)
class DatedRun:
    """The run of one day's data."""

    day: datetime.date
    run: SubmittedRun
    outcome: Outcome | None = None  # None while it goes on


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


def submit_for_date(
    service: ScheduleService,
    pipeline: CompiledPipeline,
    day: datetime.date,
    values: Mapping[str, Value],
    asked_at: str | None = None,
) -> SubmittedRun:
    """Submit one run for a day; asked at the same time again, it is the same run."""
    pipeline.check_takes(DATA_DATE)
    id = run_id(pipeline.name, f"for-{day}-{asked_at or _stamp()}")
    return service.submit(WantedRun(pipeline, id, {**values, DATA_DATE: day.isoformat()}))


def run_for_dates(
    service: ScheduleService,
    pipeline: CompiledPipeline,
    days: Sequence[datetime.date],
    at_once: int,
    unheard: Callable[[ServiceError], None],
    values: Mapping[str, Value] = MappingProxyType({}),
    wait: Callable[[], None] = lambda: time.sleep(SECONDS_BETWEEN_LOOKS),
) -> Iterator[DatedRun]:
    """A run for each day, no more than `at_once` together, until all have ended.

    Each is given when it is submitted and when it has ended; one that failed does not keep the
    later ones back. While some run, a service that is out for a while is told to `unheard` and
    asked again.
    """
    asked_at = _stamp()
    waiting, running = deque(days), list[DatedRun]()

    def heard(question: Callable[[], Answered]) -> Answered | None:
        try:
            return question()
        except ServiceError as error:
            if not running:
                raise
            unheard(error)
            return None

    while waiting or running:
        for one in tuple(running):
            if outcome := heard(partial(service.outcome, one.run)):
                running.remove(one)
                yield replace(one, outcome=outcome)
        while waiting and len(running) < at_once:
            submit = partial(submit_for_date, service, pipeline, waiting[0], values, asked_at)
            run = heard(submit)
            if run is None:
                break
            running.append(DatedRun(waiting.popleft(), run))
            yield running[-1]
        if running:
            wait()


def stretches(days: Iterable[datetime.date]) -> list[tuple[datetime.date, datetime.date]]:
    """The first and last of each row of days without a gap.

    >>> days = [datetime.date(2026, 1, day) for day in (1, 2, 3, 7)]
    >>> [f"{first:%d}-{last:%d}" for first, last in stretches(days)]
    ['01-03', '07-07']
    """
    found: list[tuple[datetime.date, datetime.date]] = []
    for day in sorted(days):
        if found and day - found[-1][1] == datetime.timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def _stamp() -> str:
    # To the microsecond: two asked for within a second are two runs.
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%d%H%M%S%f}"


def run_id(name: str, ending: str) -> str:
    """A run's id below a pipeline's name, as Vertex AI allows ids to be.

    >>> run_id("2nd-try", "for-2026-01-31")
    'run-2nd-try-for-2026-01-31'
    """
    ending = re.sub("[^a-z0-9-]", "-", ending.lower())
    begun = name if name[0].isalpha() else f"run-{name}"
    return f"{begun[: ID_LETTERS - len(ending) - 1]}-{ending}"
