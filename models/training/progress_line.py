"""How far training has come, how well it goes, and how long it will take, in one line."""

from __future__ import annotations

import math
from collections import deque

from models.progress import report as report_progress
from models.training.config import TrainingConfig
from models.training.watching import EvaluationReport, StepReport

# A cluster keeps every line of a run of days; a terminal moves its clock by itself.
SECONDS_BETWEEN_LINES = 5.0
# So many reports tell the pace: batches of every length are among them.
REPORTS_OF_A_PACE = 50


class ProgressLine:
    """Reports progress with the time left, the loss, the dev WER and the speed.

    The time left is what the coming steps take at this process's recent pace, and the coming
    evaluations. A later stage that trains other parts has a pace that nobody knows yet: until
    then the line tells the time up to that stage.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        self._pace = Pace()
        self._wer = math.nan
        self._evaluation_seconds = 0.0
        self._skipped_steps = 0
        self._seconds_since_line = math.inf

    def step(self, report: StepReport) -> None:
        self._pace.add(report)
        self._skipped_steps += report.skipped_steps
        self._seconds_since_line += report.seconds
        is_last = report.step == report.total_steps
        if is_last or self._seconds_since_line >= SECONDS_BETWEEN_LINES:
            self._seconds_since_line = 0.0
            report_progress("Fine-tuning", report.step, report.total_steps, self._note(report))

    def evaluation(self, report: EvaluationReport) -> None:
        self._wer = report.wer
        self._evaluation_seconds = report.seconds

    def close(self) -> None:
        """Nothing is held."""

    def _note(self, report: StepReport) -> str:
        # A narrow terminal cuts the end off.
        parts = [self._time_left(report), f"loss {report.loss:.3f}"]
        if not math.isnan(self._wer):
            parts.append(f"WER {100 * self._wer:.1f} %")
        if report.seconds:
            parts.append(f"{report.audio_seconds / report.seconds:,.0f} s audio/s")
        if self._skipped_steps:
            parts.append(f"{self._skipped_steps} steps skipped")
        return " · ".join(filter(None, parts))

    def _time_left(self, report: StepReport) -> str:
        if report.step == report.total_steps or self._pace.seconds_a_step is None:
            return ""
        end, next_stage = self._end_of_pace(report)
        # The last evaluation comes after the last step, due or not.
        every = self._config.evaluate_every
        evaluations = -(-end // every) - report.step // every
        seconds = (end - report.step) * self._pace.seconds_a_step
        left = duration(seconds + evaluations * self._evaluation_seconds)
        return f"{left} left" if next_stage is None else f"{left} to stage {next_stage + 1}"

    def _end_of_pace(self, report: StepReport) -> tuple[int, int | None]:
        """The step up to which training goes on as now, and the stage that begins there."""
        stages = self._config.stages
        for number in range(report.stage + 1, len(stages)):
            if stages[number].trains != stages[report.stage].trains:
                return report.total_steps - sum(stage.steps for stage in stages[number:]), number
        return report.total_steps, None


class Pace:
    """The seconds a step takes in the last reports of a stage.

    The first report of a stage is left out: compiling is in it, and after a restart nobody knows
    how many steps it is about.
    """

    def __init__(self) -> None:
        self._last: StepReport | None = None
        self._recent: deque[tuple[int, float]] = deque(maxlen=REPORTS_OF_A_PACE)

    def add(self, report: StepReport) -> None:
        if self._last is None or self._last.stage != report.stage:
            self._recent.clear()
        else:
            self._recent.append((report.step - self._last.step, report.seconds))
        self._last = report

    @property
    def seconds_a_step(self) -> float | None:
        if not self._recent:
            return None
        return sum(seconds for _, seconds in self._recent) / sum(steps for steps, _ in self._recent)


def duration(seconds: float) -> str:
    """Two units at most, as a person would say it.

    >>> duration(42.4), duration(740), duration(9_000), duration(200_000)
    ('42 s', '12 min', '2 h 30 min', '2 d 7 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"
