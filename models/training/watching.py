"""What training tells those who watch: plain figures, ready to be drawn or written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger(__name__)

# Of a watcher, in a row.
MOST_FAILURES = 3


@dataclass(frozen=True)
class StepReport:
    """The steps since the last report, seen from the host."""

    step: int  # done so far, over all stages
    total_steps: int
    stage: int  # from 0
    loss: float  # of the last step
    learning_rate: float
    gradient_norm: float  # before clipping
    utterances: int  # in these steps, fillers not counted
    audio_seconds: float
    padded_seconds: float  # of the batches, padding included
    seconds: float  # that these steps took, with checkpoints but without evaluations
    waited_seconds: float  # of them, for the next batch
    skipped_steps: int  # in these steps, for a gradient that was no number


@dataclass(frozen=True)
class Sample:
    """One dev utterance and what the model hears now."""

    reference: str
    hypothesis: str


@dataclass(frozen=True)
class EvaluationReport:
    """A greedy decoding of the dev split."""

    step: int
    wer: float
    seconds: float
    samples: tuple[Sample, ...]  # the first few of the split, the same each time


class Watcher(Protocol):
    """Someone who is told; a failure there must not end a training that goes well."""

    def step(self, report: StepReport) -> None:
        """Every few steps, and after the last."""

    def evaluation(self, report: EvaluationReport) -> None:
        """After each evaluation, the first before any training."""

    def close(self) -> None:
        """Training has ended, however it did."""


class Guarded:
    """A watcher whose failures end no training: each is told, and after three in a row it rests.

    A bucket that is away for a moment costs one report, one that nobody may write no time.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._failures = 0

    def step(self, report: StepReport) -> None:
        self._tell(lambda: self._watcher.step(report))

    def evaluation(self, report: EvaluationReport) -> None:
        self._tell(lambda: self._watcher.evaluation(report))

    def close(self) -> None:
        self._tell(self._watcher.close)

    def _tell(self, told: Callable[[], None]) -> None:
        if self._failures == MOST_FAILURES:
            return
        try:
            told()
            self._failures = 0
        except Exception as error:
            self._failures += 1
            log.warning(
                "Training goes on, but %s failed%s: %s",
                type(self._watcher).__name__,
                " and is told no more" if self._failures == MOST_FAILURES else "",
                str(error).partition("\n")[0] or type(error).__name__,
            )
