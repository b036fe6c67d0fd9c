"""The main trial's slices, by the damage they do."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from components.wer_evaluator.scores import Score
from components.wer_evaluator.slices import FEATURES

# A value may hold commas and colons, so a feature begins only where its name stands.
FEATURE_START = re.compile(rf"(?:^|,)({'|'.join(FEATURES)}):")


@dataclass(frozen=True)
class Cut:
    """One slice: its score, and the errors above what the trial's WER would give its words."""

    label: str
    score: Score
    damage: float


@dataclass(frozen=True)
class Dimension:
    """All the slices by one feature, or by one crossing of several, the worst first."""

    name: str
    cuts: tuple[Cut, ...]


def dimensions_of(scores: Iterable[Score], main: Score) -> tuple[Dimension, ...]:
    """The main trial's slices by dimension, both in the order of the damage done."""
    found: dict[str, list[Cut]] = {}
    for score in scores:
        if score.slice and score.trial == main.trial:
            name, label = dimension_and_label(score.slice)
            found.setdefault(name, []).append(Cut(label, score, damage(score, main)))
    dimensions = [
        Dimension(name, tuple(sorted(cuts, key=lambda cut: (-cut.damage, cut.label))))
        for name, cuts in found.items()
    ]
    return tuple(sorted(dimensions, key=lambda found: (-found.cuts[0].damage, found.name)))


def damage(score: Score, overall: Score) -> float:
    """The errors of a slice above those that its words would have at the overall rate."""
    expected = 0.0 if math.isnan(overall.wer) else overall.wer * score.words
    return score.word_errors.errors - expected


def dimension_and_label(name: str) -> tuple[str, str]:
    """What a slice is cut by, and its place there.

    >>> dimension_and_label("gender:F,duration:5-10 s")
    ('gender × duration', 'F × 5-10 s')
    """
    parts = FEATURE_START.split(name)
    if len(parts) < 3:
        return "other", name
    return " × ".join(parts[1::2]), " × ".join(parts[2::2])
