"""Adam as fine-tuning needs it: on gradients that are summed already, with averaged weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from models.training.config import Stage, TrainingConfig
from models.training.schedule import StageSchedule


class Adam(keras.optimizers.Adam):
    """Keras's Adam, told the whole batch's gradients on every replica.

    Clipping looks at the gradient of the whole batch, so replicas have summed it before; Keras
    would sum it once more. The moving average is kept where the moments are, and so is right on
    every device and saved with them.
    """

    def __init__(self, stage: Stage, config: TrainingConfig) -> None:
        super().__init__(
            StageSchedule(stage),
            beta_2=0.98,
            epsilon=1e-8,
            weight_decay=config.weight_decay or None,
        )
        self.average_momentum = config.average_momentum

    def build(self, variables: list[keras.Variable]) -> None:
        super().build(variables)
        if self.average_momentum:
            self.averages = self.add_optimizer_variables(variables, "average")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient, variable, learning_rate)
        if not self.average_momentum:
            return
        average = self.averages[self._get_variable_index(variable)]
        kept = ops.where(ops.equal(self.iterations, 0), 0.0, self.average_momentum)
        kept = ops.cast(kept, variable.dtype)
        self.assign(average, kept * average + (1 - kept) * variable)

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars
