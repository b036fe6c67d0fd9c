"""How the error rate goes with an utterance's length, and how long the utterances are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from components.wer_evaluator.scores import Score
from components.wer_evaluator.slices import DURATION_BUCKETS, describe_slice, duration_bucket
from models.word_errors import ErrorCounts

if TYPE_CHECKING:
    import pandas as pd

MOST_BINS = 25
BIN_SECONDS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True)
class DurationBar:
    """The utterances of about one length, and their error rate with its interval."""

    label: str
    utterances: int
    wer: float
    wer_low: float
    wer_high: float


@dataclass(frozen=True)
class Histogram:
    """How many utterances are how long: `counts[i]` from `i` to `i + 1` times the width."""

    bin_seconds: float
    counts: tuple[int, ...]


def wer_by_duration(
    scored: pd.DataFrame, scores: Iterable[Score], trial: str
) -> tuple[DurationBar, ...]:
    """The error rate of every duration bucket that has utterances."""
    intervals = {
        score.slice: (score.wer_low, score.wer_high) for score in scores if score.trial == trial
    }
    buckets = scored.audio_seconds.map(duration_bucket)
    bars = []
    for _, label in DURATION_BUCKETS:
        rows = scored[buckets == label]
        if len(rows):
            unknown = (math.nan, math.nan)
            low, high = intervals.get(describe_slice({"duration": label}), unknown)
            wer = _rate(rows)
            bars.append(DurationBar(label, len(rows), wer, low, high))
    return tuple(bars)


def histogram_of(seconds: pd.Series) -> Histogram:
    """The utterances by length, in at most so many round bins as can be told apart."""
    longest = float(seconds.max()) if len(seconds) else 0.0
    width = next((width for width in BIN_SECONDS if longest <= MOST_BINS * width), BIN_SECONDS[-1])
    bins = np.ceil(seconds.to_numpy() / width).clip(min=1).astype(int) - 1
    return Histogram(width, tuple(int(count) for count in np.bincount(bins)))


def _rate(rows: pd.DataFrame) -> float:
    return ErrorCounts(
        int(rows.substitutions.sum()),
        int(rows.deletions.sum()),
        int(rows.insertions.sum()),
        int(rows.words.sum()),
    ).rate
