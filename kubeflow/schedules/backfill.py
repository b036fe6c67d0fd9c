"""Runs for dates that have passed: one a day, in their order, no more at once than is allowed."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Callable, Iterator, Sequence

from kubeflow.names import DATA_DATE
from kubeflow.schedules.compiled import CompiledPipeline
from kubeflow.schedules.service import ScheduleService, SubmittedRun, WantedRun
from models.errors import BadInputError

ID_LETTERS = 128  # of Vertex AI
SECONDS_BETWEEN_LOOKS = 60.0


def days_between(first: datetime.date, last: datetime.date) -> list[datetime.date]:
    """Every day from the first to the last.

    >>> [str(day) for day in days_between(datetime.date(2026, 1, 31), datetime.date(2026, 2, 1))]
    ['2026-01-31', '2026-02-01']
    """
    if last < first:
        raise BadInputError(f"--to-date {last} is before --for-date {first}.")
    return [first + datetime.timedelta(days=ahead) for ahead in range((last - first).days + 1)]


def submit_for_dates(
    service: ScheduleService,
    pipeline: CompiledPipeline,
    days: Sequence[datetime.date],
    at_once: int,
    wait: Callable[[], None] = lambda: time.sleep(SECONDS_BETWEEN_LOOKS),
) -> Iterator[tuple[datetime.date, SubmittedRun]]:
    """Submit a run for each day, each as soon as fewer than `at_once` of the earlier ones run."""
    pipeline.check_takes(DATA_DATE)
    now = datetime.datetime.now(datetime.UTC)
    running: list[SubmittedRun] = []
    for day in days:
        while len(running) >= at_once:
            running = [run for run in running if not service.is_done(run)]
            if len(running) >= at_once:
                wait()
        id = run_id(pipeline.name, f"for-{day}-{now:%Y%m%d%H%M%S}")
        run = service.submit(WantedRun(pipeline, id, {DATA_DATE: day.isoformat()}))
        running.append(run)
        yield day, run


def run_id(name: str, ending: str) -> str:
    """A run's id below a pipeline's name, as Vertex AI allows ids to be.

    >>> run_id("2nd-try", "for-2026-01-31")
    'run-2nd-try-for-2026-01-31'
    """
    ending = re.sub("[^a-z0-9-]", "-", ending.lower())
    begun = name if name[0].isalpha() else f"run-{name}"
    return f"{begun[: ID_LETTERS - len(ending) - 1]}-{ending}"
