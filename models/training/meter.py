"""Reads what became of the steps, some at a time, and adds it up for the history and reports."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import W2vError
from models.training.history import History
from models.training.step import StepResult
from models.training.watching import StepReport

# A run whose gradients are not finite this many times in a row will not recover by itself.
MOST_SKIPPED_IN_A_ROW = 20


class Meter:
    """One stage's results. To read one waits for the device, so they are left there for a while."""

    def __init__(self, history: History, stage: int, learning_rate: float) -> None:
        self._history = history
        self._stage, self._peak = stage, learning_rate
        self._unread: list[tuple[int, StepResult]] = []
        self._skipped_in_a_row = 0
        self._begin()

    def add(self, step: int, result: StepResult, waited_seconds: float) -> None:
        """Take the result of a step, whose batch was waited for so long."""
        self._unread.append((step, result))
        self.steps += 1
        self._waited += waited_seconds

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out time that is no training, such as an evaluation."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._started += time.monotonic() - began

    def read(self) -> None:
        """Add up what was left on the device; raise if the training has come to nothing."""
        for step, result in self._unread:
            self._last = (float(result.loss), float(result.gradient_norm))
            applied = bool(result.applied)
            self._skipped += not applied
            self._utterances += int(result.utterances)
            self._audio += float(result.audio_seconds)
            self._padded += float(result.padded_seconds)
            self._history.skipped_steps += not applied
            self._history.impossible_transcripts += int(result.impossible)
            self._history.audio_seconds += float(result.audio_seconds)
            self._history.padded_seconds += float(result.padded_seconds)
            self._skipped_in_a_row = 0 if applied else self._skipped_in_a_row + 1
            if self._skipped_in_a_row == MOST_SKIPPED_IN_A_ROW:
                raise W2vError(
                    f"Training stopped at step {step}: the gradients were no numbers "
                    f"{MOST_SKIPPED_IN_A_ROW} times in a row; lower the learning rate "
                    f"({self._peak:g}) of that stage."
                )
        self._unread = []

    def report(self, step: int, total_steps: int, learning_rate: float) -> StepReport:
        """The steps since the last report."""
        self.read()
        seconds = time.monotonic() - self._started
        self._history.seconds += seconds
        self._history.waited_seconds += self._waited
        loss, norm = self._last
        self._history.losses.append((step, loss))
        report = StepReport(
            step=step,
            total_steps=total_steps,
            stage=self._stage,
            loss=loss,
            learning_rate=learning_rate,
            gradient_norm=norm,
            utterances=self._utterances,
            audio_seconds=self._audio,
            padded_seconds=self._padded,
            seconds=seconds,
            waited_seconds=self._waited,
            skipped_steps=self._skipped,
        )
        self._begin()
        return report

    def _begin(self) -> None:
        self._started = time.monotonic()
        self._waited = self._audio = self._padded = 0.0
        self._utterances = self._skipped = 0
        self.steps = 0  # since the last report
        self._last = (0.0, 0.0)
