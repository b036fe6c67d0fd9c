"""What a model must show before it is let out."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal

from components.wer_evaluator.slices import FEATURES

RegressionTest = Literal["bootstrap", "matched_pairs"]
SLICE_MARK, ANY_VALUE = "@", "*"
# A value may hold a comma: only one before a feature's name parts.
_BETWEEN_FEATURES = re.compile(rf",(?=(?:{'|'.join(FEATURES)}):)")
ERROR_RATES = ("max_wer", "max_cer")  # these may name a slice
BUDGETS = ("max_added_wer", "max_real_time_factor", "max_megabytes")


@dataclass(frozen=True)
class GateConfig:
    """Bounds are fractions: 0.05 is an error rate of 5 %.

    A bound on an error rate is named by a variant (`unpadded`, of the SavedModel), with its
    decoder (`unpadded+beam`), by artifact and variant (`tflite_int8/static`), or with a slice
    behind it: `unpadded@gender:F`, crossed `unpadded@gender:F,duration:5-10 s`, or
    `unpadded@speaker:*`, which holds for every slice of that kind.
    """

    # The highest word error rate, by trial or slice.
    max_wer: dict[str, float] = field(default_factory=lambda: {"unpadded": 0.10})
    # The highest character error rate, likewise.
    max_cer: dict[str, float] = field(default_factory=dict)
    # How much more than the SavedModel's an artifact's WER may be, by artifact (`tflite_int8`); `*`
    # is every other one that was scored beside the SavedModel.
    max_added_wer: dict[str, float] = field(default_factory=lambda: {ANY_VALUE: 0.01})
    # What a bound is held against says too little of fewer utterances or hours than these.
    min_utterances: int = 100
    min_hours: float = 0.0  # of scored audio; 0 asks for none
    # Slices of fewer reference words are not judged behind `*`, and refuse where one is named.
    min_slice_words: int = 100
    # The part of the utterances that may have gone unscored.
    max_excluded: float = 0.01
    # Seconds of computing for one second of audio, by trial.
    max_real_time_factor: dict[str, float] = field(default_factory=dict)
    # Of 10⁶ bytes, by artifact (`tflite_int8`).
    max_megabytes: dict[str, float] = field(default_factory=dict)
    # Against the last blessed model: refused when any of the tests finds it worse with this much
    # confidence …
    regression_confidence: float = 0.95
    # One of these is enough: a bootstrap over speakers, or NIST's matched pairs of segments.
    regression_tests: tuple[RegressionTest, ...] = ("bootstrap", "matched_pairs")
    # … and worse by more than this much WER: less is no regression, however sure.
    tolerated_regression: float = 0.002
    # Trials that are compared so; none: no comparison.
    regression_trials: tuple[str, ...] = ("unpadded",)

    def __post_init__(self) -> None:
        if not self.max_wer and not self.max_cer:
            raise ValueError("gate.max_wer: name at least one bound, such as {unpadded: 0.1}")
        for section in (*ERROR_RATES, *BUDGETS):
            for name, bound in getattr(self, section).items():
                _check_at_least(f"{section}.{name}", bound, 0)
        for section in ERROR_RATES:
            for name in getattr(self, section):
                _check_slice(section, name)
        for section in (*BUDGETS, "regression_trials"):
            for name in getattr(self, section):
                _check_no_slice(section, name)
        _check_at_least("min_utterances", self.min_utterances, 1)
        _check_at_least("min_slice_words", self.min_slice_words, 1)
        _check_at_least("min_hours", self.min_hours, 0)
        _check_at_least("tolerated_regression", self.tolerated_regression, 0)
        if not 0 <= self.max_excluded <= 1:
            raise ValueError(f"gate.max_excluded must lie between 0 and 1, not {self.max_excluded}")
        if not 0.5 <= self.regression_confidence < 1:
            raise ValueError(
                "gate.regression_confidence must lie between 0.5 and 1, not "
                f"{self.regression_confidence}"
            )
        if not self.regression_tests:
            raise ValueError("gate.regression_tests: name at least one of bootstrap, matched_pairs")


def features_of(slice_name: str) -> dict[str, str]:
    """A slice's features by name.

    >>> features_of("gender:F,duration:5-10 s")
    {'gender': 'F', 'duration': '5-10 s'}
    """
    parts = (piece.partition(":") for piece in _BETWEEN_FEATURES.split(slice_name) if piece)
    return {name: value for name, _, value in parts}


def _check_at_least(name: str, value: float, least: float) -> None:
    if not (value >= least and math.isfinite(value)):
        raise ValueError(f"gate.{name} must be {least} or more, not {value}")


def _check_slice(section: str, name: str) -> None:
    _, mark, slice_name = name.partition(SLICE_MARK)
    features = features_of(slice_name)
    if mark and not (features and all(features.values())):
        raise ValueError(
            f"gate.{section}.{name}: what follows {SLICE_MARK} must be feature:value, such as "
            "unpadded@gender:F"
        )
    for feature in features:
        if feature not in FEATURES:
            raise ValueError(
                f"gate.{section}.{name}: there are no slices by {feature!r}, only by "
                f"{', '.join(FEATURES)}"
            )


def _check_no_slice(section: str, name: str) -> None:
    if SLICE_MARK in name:
        raise ValueError(f"gate.{section}: {name} must be without a slice ({SLICE_MARK}…)")
