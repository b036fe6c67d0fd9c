"""Learning rate over the steps of one stage."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from models.training.config import Schedule, Stage

Shape = Callable[[Any], Any]

# Tri-stage as in the paper: 10 % warm-up, 40 % hold, 50 % exponential decay to 5 % of the peak.
WARM_UP, HOLD, FINAL = 0.1, 0.4, 0.05


def _tri_stage(done: Any) -> Any:
    decay = ops.exp((done - WARM_UP - HOLD) / (1 - WARM_UP - HOLD) * math.log(FINAL))
    return ops.where(done < WARM_UP, done / WARM_UP, ops.where(done < WARM_UP + HOLD, 1.0, decay))


def _one_cycle(done: Any) -> Any:
    """Linear warm-up over a tenth, then half a cosine down to zero."""
    cosine = 0.5 * (1 + ops.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))
    return ops.where(done < WARM_UP, done / WARM_UP, cosine)


def _linear(done: Any) -> Any:
    return ops.where(done < WARM_UP, done / WARM_UP, (1 - done) / (1 - WARM_UP))


def _constant(done: Any) -> Any:
    return ops.ones_like(done)


SHAPES: dict[Schedule, Shape] = {
    "tri_stage": _tri_stage,
    "one_cycle": _one_cycle,
    "linear": _linear,
    "constant": _constant,
}


class StageSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The stage's schedule over its own steps, counted from one so that the first step learns."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def __call__(self, step: Any) -> Any:
        done = (ops.cast(step, "float32") + 1.0) / float(self.stage.steps)
        return self.stage.learning_rate * SHAPES[self.stage.schedule](ops.minimum(done, 1.0))

    def get_config(self) -> dict[str, Any]:
        return {"stage": self.stage}
