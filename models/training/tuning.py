"""What a tuning may vary in a recipe, and a recipe with the values that were found.

>>> from models.training.config import TrainingConfig
>>> found = tuned(TrainingConfig(), {"stage_1_learning_rate": 2e-3, "dropout": 0.1})
>>> found.stages[0].learning_rate, found.dropout
(0.002, 0.1)
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from models.training.config import Stage, TrainingConfig

Algorithm = Literal["random", "bayesian", "hyperband"]
Span = tuple[float, float]
# Hyperband stops the worse two thirds of its trials early: the first nine have a ninth of the
# steps, the best three of them a third, the best one all.
HYPERBAND_FACTOR, HYPERBAND_SHARES = 3, 9
TRIALS_OF_A_BRACKET = 9 + 3 + 1
OF_STAGE = re.compile(r"stage_(\d+)_(learning_rate|steps)")


@dataclass(frozen=True)
class TuningConfig:
    """A search for the recipe with the lowest WER on the dev split.

    The first trial is the recipe as it is. A span that is null leaves its values to the recipe.
    """

    # Steps of one trial: the recipe in short. A shorter training likes a higher rate.
    trial_steps: int
    trials: int = 12  # trainings in all, the recipe's own among them
    # How the next values are chosen: at random, from the trials so far (bayesian), or at random
    # with most trials ended early (hyperband, 13 trials or more).
    algorithm: Algorithm = "bayesian"
    # Times the learning rate of each stage, each by its own factor.
    learning_rate_factor: Span | None = (0.3, 3.0)
    # Times the steps of each stage but the last, which takes what is left of the recipe's steps.
    steps_factor: Span | None = (0.5, 1.5)
    # Of these two the recipe must name its own values.
    mask_time_prob: Span | None = (0.0, 0.1)
    dropout: Span | None = (0.0, 0.2)  # searched between these two; training.dropout must lie there
    seed: int = 0  # of the values that are drawn

    def __post_init__(self) -> None:
        for name in ("trials", "trial_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"tuning.{name} must be at least 1, not {getattr(self, name)}")
        if self.algorithm == "hyperband" and self.trials < TRIALS_OF_A_BRACKET:
            raise ValueError(
                f"tuning.trials must be at least {TRIALS_OF_A_BRACKET} for hyperband, which stops "
                f"most of them early, not {self.trials}"
            )
        for name in ("learning_rate_factor", "steps_factor"):
            span = getattr(self, name)
            if span is not None and not 0 < span[0] <= 1 <= span[1] < math.inf:
                raise ValueError(
                    f"tuning.{name} must go from above 0 over 1, the recipe as it is, and not "
                    f"be {_written(span)}"
                )
        for name in ("mask_time_prob", "dropout"):
            span = getattr(self, name)
            if span is not None and not 0 <= span[0] < span[1] <= 1:
                raise ValueError(
                    f"tuning.{name} must be two growing numbers from 0 to 1, not {_written(span)}"
                )
        if self.dropout is not None and self.dropout[1] == 1:
            raise ValueError("tuning.dropout must end below 1, where nothing is left to learn from")
        spans = (self.learning_rate_factor, self.steps_factor, self.mask_time_prob, self.dropout)
        if not any(spans):
            raise ValueError("tuning: name at least one span to search")


@dataclass(frozen=True)
class Knob:
    """One value of a recipe that is searched, by the name that `tuned` knows it under."""

    name: str
    low: float
    high: float
    recipe: float  # what the first trial has
    by_factors: bool = False  # searched alike in 0.1 to 1 and in 1 to 10
    whole: bool = False


def knobs(recipe: TrainingConfig, tuning: TuningConfig) -> list[Knob]:
    """What the tuning varies in this recipe, or a ValueError where it cannot."""
    found = []
    for number, stage in enumerate(recipe.stages, start=1):
        if tuning.learning_rate_factor:
            low, high = (factor * stage.learning_rate for factor in tuning.learning_rate_factor)
            name = f"stage_{number}_learning_rate"
            found.append(Knob(name, low, high, stage.learning_rate, by_factors=True))
        if tuning.steps_factor and number < len(recipe.stages):
            low, high = (max(1, round(factor * stage.steps)) for factor in tuning.steps_factor)
            found.append(Knob(f"stage_{number}_steps", low, high, stage.steps, whole=True))
    longest = sum(knob.high for knob in found if knob.whole)
    if longest >= recipe.total_steps:
        raise ValueError(
            f"tuning.steps_factor leaves the last stage no step of {recipe.total_steps}: the "
            f"stages before it may grow to {longest:g}; lower its upper end"
        )
    for name in ("mask_time_prob", "dropout"):
        span, value = getattr(tuning, name), getattr(recipe, name)
        if span is None:
            continue
        if value is None:  # the checkpoint's own, which nobody knows yet
            raise ValueError(
                f"tuning.{name} varies training.{name}, which is not named: name it, or set "
                f"tuning.{name}: null"
            )
        if not span[0] <= value <= span[1]:
            raise ValueError(
                f"tuning.{name} must hold training.{name} ({value:g}), not {_written(span)}"
            )
        found.append(Knob(name, span[0], span[1], value))
    return found


def tuned(recipe: TrainingConfig, values: Mapping[str, Any]) -> TrainingConfig:
    """The recipe with these values, as many steps in all; what they do not name stays."""
    stages = list(recipe.stages)
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if stage := OF_STAGE.fullmatch(name):
            index = int(stage[1]) - 1
            stages[index] = replace(stages[index], **{stage[2]: value})
        elif not name.startswith("tuner/"):  # what Hyperband tells itself
            changes[name] = value
    rest = recipe.total_steps - sum(stage.steps for stage in stages[:-1])
    stages[-1] = replace(stages[-1], steps=rest)
    return replace(recipe, stages=tuple(stages), **changes)


def shortened(recipe: TrainingConfig, steps: int) -> TrainingConfig:
    """The same recipe in about so many steps, if that is fewer: every stage by the same factor.

    A trial is judged by its best evaluation: it needs no mean of several.
    """
    factor = min(1.0, steps / recipe.total_steps)
    stages = tuple(_shorter(stage, factor) for stage in recipe.stages)
    return replace(recipe, stages=stages, average_best=1, profile_steps=None)


def _shorter(stage: Stage, factor: float) -> Stage:
    return replace(stage, steps=max(1, round(factor * stage.steps)))


def _written(span: Span) -> str:
    return f"[{span[0]:g}, {span[1]:g}]"
