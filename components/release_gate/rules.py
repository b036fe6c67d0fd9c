"""The gate's rules: each looks at the scores and gives a finding with its reason.

A rule that cannot be checked (a missing score, a rate that is not a number, too few utterances)
has failed: nobody watches at three in the morning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from components.release_gate.config import GateConfig
from components.wer_evaluator.predictions import scored_by
from components.wer_evaluator.scores import Score, percent

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_ARTIFACT = "saved_model"
SLICE_MARK = "@"
BOOTSTRAP_SAMPLES = 10_000
BOOTSTRAP_SEED = 0
PAIRED_TRIAL = "saved_model/unpadded"


@dataclass(frozen=True)
class Finding:
    """One rule's verdict. `value` and `bound` are None where they could not be had."""

    rule: str
    passed: bool
    reason: str
    value: float | None = None
    bound: float | None = None


@dataclass(frozen=True)
class Baseline:
    """The last blessed model's predictions on the same utterances, where there are any."""

    name: str
    predictions: pd.DataFrame


def judge(
    scores: list[Score],
    predictions: pd.DataFrame,
    baseline: Baseline | None,
    config: GateConfig,
) -> list[Finding]:
    """Every rule's finding; a model is blessed when all of them passed."""
    return [
        *_within_bounds(scores, config),
        *_enough_utterances(scores, config),
        _no_regression(predictions, baseline, config),
    ]


def full_name(bound_name: str) -> str:
    """`unpadded@gender:F` as `saved_model/unpadded@gender:F`."""
    return (
        bound_name if "/" in bound_name.split(SLICE_MARK)[0] else f"{DEFAULT_ARTIFACT}/{bound_name}"
    )


def _within_bounds(scores: list[Score], config: GateConfig) -> Iterator[Finding]:
    by_name = {_score_name(score): score for score in scores}
    for given_name, bound in config.max_wer.items():
        name = full_name(given_name)
        rule = f"WER {name}"
        score = by_name.get(name)
        if score is None:
            yield Finding(rule, False, f"{name} was not scored", bound=bound)
        elif math.isnan(score.wer):
            yield Finding(rule, False, f"{name} has no reference words to score", bound=bound)
        else:
            yield Finding(
                rule, score.wer <= bound, _beside_bound(score.wer, bound), score.wer, bound
            )


def _beside_bound(wer: float, bound: float) -> str:
    if wer <= bound:
        return f"{percent(wer)} is within {percent(bound)}"
    return f"{percent(wer)} is over {percent(bound)} by {100 * (wer - bound):.2f} points"


def _score_name(score: Score) -> str:
    return f"{score.trial}{SLICE_MARK}{score.slice}" if score.slice else score.trial


def _enough_utterances(scores: list[Score], config: GateConfig) -> Iterator[Finding]:
    """The trials that a bound speaks of must have been scored on enough."""
    bounded = {full_name(name).split(SLICE_MARK)[0] for name in config.max_wer}
    counts = {
        score.trial: score.utterances
        for score in scores
        if score.trial in bounded and not score.slice
    }
    fewest = min(counts.values(), default=0)
    passed = fewest >= config.min_utterances
    needed = f"{config.min_utterances} are needed"
    yield Finding(
        rule="scored utterances",
        passed=passed,
        reason=f"{fewest} were scored" if passed else f"only {fewest} were scored; {needed}",
        value=fewest,
        bound=config.min_utterances,
    )


def _no_regression(
    predictions: pd.DataFrame, baseline: Baseline | None, config: GateConfig
) -> Finding:
    rule = "no regression"
    if baseline is None:
        return Finding(rule, True, "there is no blessed model yet to compare with")
    pairs = pair_up(predictions, baseline.predictions)
    if len(pairs) < config.min_utterances:
        return Finding(
            rule,
            True,
            f"{baseline.name} was scored on other utterances, so there is nothing to pair; the "
            "bounds alone decide",
        )
    difference, sureness = paired_bootstrap(pairs)
    worse = difference > config.tolerated_regression and sureness >= config.regression_confidence
    direction = "worse" if difference > 0 else "better"
    reason = (
        f"{abs(100 * difference):.2f} points {direction} than {baseline.name} on {len(pairs)} "
        f"utterances (it is worse with {100 * sureness:.1f} % confidence)"
    )
    if difference == 0:
        reason = f"as good as {baseline.name} on {len(pairs)} utterances"
    return Finding(rule, not worse, reason, difference, config.tolerated_regression)


def pair_up(candidate: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Errors of both models on each utterance that both were scored on against the same words."""
    columns = ["utterance", "reference"]
    sides = [
        scored_by(side, PAIRED_TRIAL)[[*columns, "words", "errors"]]
        for side in (candidate, baseline)
    ]
    return sides[0].merge(sides[1], on=columns, suffixes=("", "_baseline"))


def paired_bootstrap(pairs: pd.DataFrame) -> tuple[float, float]:
    """The WER difference (candidate less baseline), and how sure it is above zero.

    Utterances are drawn with replacement; both models are judged on the same draw.
    """
    difference = (pairs.errors - pairs.errors_baseline).to_numpy(float)
    words = pairs.words.to_numpy(float)
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    above = 0.0
    for _ in range(BOOTSTRAP_SAMPLES):
        drawn = generator.integers(0, len(words), len(words))
        total = difference[drawn].sum()
        above += 1.0 if total > 0 else 0.5 if total == 0 else 0.0
    return float(difference.sum() / words.sum()), above / BOOTSTRAP_SAMPLES
