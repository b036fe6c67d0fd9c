"""Learning rate over the steps of one stage."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from models.training.config import Schedule, Stage

# The part of the peak after the warm-up, by the part of the stage's steps that is done.
Shape = Callable[[Any, Stage], Any]

# What tri-stage decays to in the paper.
TRI_STAGE_FINAL = 0.05


def _tri_stage(done: Any, stage: Stage) -> Any:
    """As in the paper: hold, then decay exponentially."""
    final = TRI_STAGE_FINAL if stage.final is None else stage.final
    decayed = (done - stage.warm_up - stage.hold) / (1 - stage.warm_up - stage.hold)
    return ops.exp(ops.maximum(decayed, 0.0) * math.log(final))


def _one_cycle(done: Any, stage: Stage) -> Any:
    """Half a cosine down to zero."""
    return 0.5 * (1 + ops.cos(math.pi * (done - stage.warm_up) / (1 - stage.warm_up)))


def _linear(done: Any, stage: Stage) -> Any:
    left = (1 - done) / (1 - stage.warm_up)
    final = stage.final or 0.0
    return final + (1 - final) * left


def _constant(done: Any, stage: Stage) -> Any:
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
        stage = self.stage
        done = ops.minimum((ops.cast(step, "float32") + 1.0) / float(stage.steps), 1.0)
        part = SHAPES[stage.schedule](done, stage)
        if stage.schedule != "constant" and stage.warm_up:
            part = ops.where(done < stage.warm_up, done / stage.warm_up, part)
        return stage.learning_rate * part

    def get_config(self) -> dict[str, Any]:
        return {"stage": self.stage}
