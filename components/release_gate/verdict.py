"""What the gate decided, why, and what it looked at."""

from __future__ import annotations

from dataclasses import dataclass

from components.wer_evaluator.scores import Score, whole


@dataclass(frozen=True)
class Finding:
    """One rule's verdict. `value` and `bound` are None where they could not be had."""

    rule: str
    passed: bool
    reason: str
    value: float | None = None
    bound: float | None = None

    @property
    def margin(self) -> float | None:
        """How far the value is from its bound."""
        known = self.value is not None and self.bound is not None
        return abs(self.bound - self.value) if known else None  # type: ignore[operator]


@dataclass(frozen=True)
class PastRun:
    """An earlier evaluation of the same pipeline: when (ISO 8601), and each trial's WER."""

    when: str
    wer: dict[str, float]


@dataclass(frozen=True)
class Verdict:
    """The findings beside the scores they are about, the baseline's and the earlier ones."""

    model: str
    findings: list[Finding]
    scores: list[Score]
    evaluated: str = ""  # when, ISO 8601
    baseline: str = ""  # what the model was compared with; empty where there was nothing
    baseline_scores: tuple[Score, ...] = ()
    history: tuple[PastRun, ...] = ()

    @property
    def as_past(self) -> PastRun:
        """What a later report says of this one."""
        wer = {score.trial: score.wer for score in whole(self.scores) if score.words}
        return PastRun(self.evaluated, wer)

    @property
    def blessed(self) -> bool:
        return bool(self.findings) and all(finding.passed for finding in self.findings)
