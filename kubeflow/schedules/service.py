"""What a scheduling service can do, whichever it is."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

from kubeflow.schedules.compiled import CompiledPipeline, Value
from kubeflow.schedules.cron import Cron

State = Literal["active", "paused", "completed"]
STATES: tuple[State, ...] = get_args(State)
End = Literal["succeeded", "failed", "cancelled"]
DIGEST_LETTERS = 40  # a label holds 63
ID_LETTERS = 128  # of a run of Vertex AI


@dataclass(frozen=True)
class WantedSchedule:
    """A schedule as the compiled file and the config want it."""

    pipeline: CompiledPipeline
    cron: Cron
    max_concurrent: int
    catch_up: bool
    start: datetime.datetime | None
    end: datetime.datetime | None

    @property
    def name(self) -> str:
        return self.pipeline.name


@dataclass(frozen=True)
class Schedule:
    """A schedule of ours as the service has it."""

    id: str
    name: str
    state: State
    cron: str
    timezone: str
    max_concurrent: int
    # Of all that the service cannot change in place.
    digest: str
    # What it shall be when it has taken another's place; None where it took none.
    becomes: State | None
    next_run: datetime.datetime | None


@dataclass(frozen=True)
class WantedRun:
    """One run outside of any schedule."""

    pipeline: CompiledPipeline
    # Names the run where the service allows. The same id is never submitted twice; where its run
    # failed or was cancelled, another of `ids_to_try` is.
    id: str
    parameters: Mapping[str, Value]


@dataclass(frozen=True)
class SubmittedRun:
    """A run that the service has taken."""

    id: str
    address: str  # where a person looks at it
    # An earlier try had submitted it: it is the same run all the same.
    found: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    end: End
    reason: str = ""  # the service's own, where it did not succeed

    @property
    def succeeded(self) -> bool:
        return self.end == "succeeded"


class ScheduleService(Protocol):
    """Vertex AI or Kubeflow Pipelines; each method answers, or raises one sentence."""

    @property
    def place(self) -> str:
        """The service, as a sentence names it."""

    def find(self, name: str | None = None) -> list[Schedule]:
        """Our schedules, or those of one name: the oldest first."""

    def digest(self, wanted: WantedSchedule) -> str:
        """Of all that makes it another schedule: what this service cannot change in place."""

    def create(self, wanted: WantedSchedule, becomes: State | None = None) -> Schedule:
        """A new schedule: active, or paused with a note of what it is to become."""

    def adjust(self, schedule: Schedule, wanted: WantedSchedule) -> Schedule | None:
        """Change in place what differs; None where nothing does."""

    def pause(self, schedule: Schedule) -> None:
        """No more runs until it is resumed."""

    def resume(self, schedule: Schedule, catch_up: bool) -> None:
        """Runs again; those that were missed as well if `catch_up`."""

    def delete(self, schedule: Schedule) -> None:
        """Forget the schedule; its runs stay."""

    def submit(self, run: WantedRun) -> SubmittedRun:
        """Start one run."""

    def outcome(self, run: SubmittedRun) -> Outcome | None:
        """How a run ended; None while it goes on."""


def ids_to_try(id: str) -> Iterator[str]:
    """The id, and those to take in its place where the runs of the earlier ones failed.

    >>> list(itertools.islice(ids_to_try("digits-span-7"), 3))
    ['digits-span-7', 'digits-span-7-2', 'digits-span-7-3']
    """
    yield id
    for number in itertools.count(2):
        ending = f"-{number}"
        yield f"{id[: ID_LETTERS - len(ending)]}{ending}"


def outcome_of(end: End, said: str, failed_tasks: Iterable[tuple[str, str]]) -> Outcome:
    """What a service says of a run that has ended; if it gives no reason, what its tasks say.

    >>> outcome_of("failed", "", [("Trainer", "exit code 2"), ("StatisticsGen", "")]).reason
    'Trainer: exit code 2; StatisticsGen'
    """
    if end == "succeeded":
        return Outcome(end)
    of_tasks = "; ".join(f"{name}: {why}" if why else name for name, why in failed_tasks)
    return Outcome(end, " ".join((said or of_tasks).split()) or "the service does not say why")


def digest_of(told: Mapping[str, Any]) -> str:
    """A short digest of what a service is told."""
    text = json.dumps(told, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LETTERS]


def state_named(text: str | None) -> State | None:
    """The state that a note names; None where there is no note."""
    return next((state for state in STATES if state == text), None)
