"""One step of a stage: gradients of a batch, summed over all devices, clipped, applied.

All of it is compiled, and the same on one device, several, and a TPU. Nothing waits for a result:
the loop reads them some steps later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from models.audio import SAMPLE_RATE
from models.data import Batch
from models.training.config import Stage, TrainingConfig
from models.training.objective import Objective
from models.training.optimizer import Adam
from models.wav2vec2 import Wav2Vec2ForCTC
from models.wav2vec2.ctc import alignable

# Half precision: the loss is scaled so that small gradients do not vanish. The scale doubles after
# so many good steps, and halves after each gradient that overflows.
FIRST_SCALE = 2.0**15
GOOD_STEPS = 2_000


class Sums(NamedTuple):
    """What batches add up to, over all devices."""

    gradients: list[tf.Tensor]
    loss: tf.Tensor
    utterances: tf.Tensor
    impossible: tf.Tensor  # transcripts that no alignment spells
    audio_seconds: tf.Tensor
    padded_seconds: tf.Tensor


class StepResult(NamedTuple):
    """What became of one step; still on its way from the device."""

    loss: tf.Tensor
    gradient_norm: tf.Tensor  # before clipping
    applied: tf.Tensor  # False where a gradient was no number: the weights stay as they were
    utterances: tf.Tensor
    impossible: tf.Tensor
    audio_seconds: tf.Tensor
    padded_seconds: tf.Tensor


class TrainStep:
    """The step of one stage, and the state that goes with it.

    `strategy` is the one under which the model was made; a batch is what each replica of it gets.
    """

    def __init__(
        self,
        model: Wav2Vec2ForCTC,
        stage: Stage,
        config: TrainingConfig,
        objective: Objective,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        self._model, self._config, self._objective = model, config, objective
        self._strategy = strategy or tf.distribute.get_strategy()
        self._variables = _trained_variables(model, stage)
        with self._strategy.scope():
            self._optimizer = Adam(stage, config)
            self._optimizer.build(self._variables)
            scale = FIRST_SCALE if config.precision == "mixed_float16" else 1.0
            self._scale = _shared_number(scale, "loss_scale")
            self._good_steps = _shared_number(0.0, "good_steps")
        # XLA compiles what runs on one device; between devices TensorFlow sums. A TPU compiles all.
        compiled = config.jit_compile and not _on_tpu(self._strategy)
        alone = self._strategy.num_replicas_in_sync == 1
        self._sums_of = (
            tf.function(self._replica_sums, jit_compile=True, reduce_retracing=True)
            if compiled and not alone
            else self._replica_sums
        )
        options = {"jit_compile": compiled and alone, "reduce_retracing": not config.static_shapes}
        self._one = tf.function(self._step_of_one, **options)
        self._contribute = tf.function(self._sum, **options)
        self._add = tf.function(lambda *both: self._strategy.run(_added, args=both))
        self._finish = tf.function(self._apply, **options)

    def __call__(self, batches: Sequence[Batch], number: int) -> StepResult:
        """Train on the batches, the first of which is the training's `number`-th."""
        numbers = [tf.constant(number + index, tf.int64) for index in range(len(batches))]
        if len(batches) == 1:
            return self._one(batches[0], numbers[0])
        sums = (
            self._contribute(batch, number) for batch, number in zip(batches, numbers, strict=True)
        )
        return self._finish(reduce(self._add, sums))

    @property
    def learning_rate(self) -> float:
        """Of the step that comes next."""
        return float(self._optimizer.learning_rate)

    @property
    def traces(self) -> int:
        """How many times a step has been compiled: once, or once for each shape."""
        return sum(one.experimental_get_tracing_count() for one in (self._one, self._contribute))

    def arrays(self) -> dict[str, np.ndarray]:
        """All that the next step depends on beside the model: moments, averages, the scale."""
        return {name: _value(variable).numpy() for name, variable in self._state().items()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from the arrays of such a step."""
        for name, variable in self._state().items():
            _value(variable).assign(arrays[name])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the averaged weights into the model for a while, where the recipe has such."""
        if not self._config.average_momentum or not self._optimizer.iterations.numpy():
            yield
            return
        trained = [variable.numpy() for variable in self._variables]
        for variable, average in zip(self._variables, self._optimizer.averages, strict=True):
            variable.assign(average)
        try:
            yield
        finally:
            for variable, value in zip(self._variables, trained, strict=True):
                variable.assign(value)

    def _state(self) -> dict[str, keras.Variable | tf.Variable]:
        optimizer = {
            f"optimizer/{index}/{variable.name}": variable
            for index, variable in enumerate(self._optimizer.variables)
        }
        return optimizer | {"loss_scale": self._scale, "good_steps": self._good_steps}

    def _step_of_one(self, batch: Batch, number: tf.Tensor) -> StepResult:
        return self._apply(self._sum(batch, number))

    def _sum(self, batch: Batch, number: tf.Tensor) -> Sums:
        return self._strategy.run(self._summed_over_replicas, args=(batch, number))

    def _summed_over_replicas(self, batch: Batch, number: tf.Tensor) -> Sums:
        replica = tf.distribute.get_replica_context()
        sums = self._sums_of(batch, number, replica.replica_id_in_sync_group)
        gradients, *figures = sums
        summed = replica.all_reduce(tf.distribute.ReduceOp.SUM, [*gradients, *figures])
        return Sums(summed[: len(gradients)], *summed[len(gradients) :])

    def _replica_sums(self, batch: Batch, number: tf.Tensor, replica: tf.Tensor) -> Sums:
        real = batch["lengths"] > 0  # a row that only fills up its batch counts for nothing
        with drawn_for(self._model, self._config.seed, number, replica), tf.GradientTape() as tape:
            losses = tf.where(real, self._objective(self._model, batch), 0.0)
            loss = tf.reduce_sum(losses)
            scaled = loss * self._scale
        gradients = tape.gradient(
            scaled,
            [variable.value for variable in self._variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        possible = alignable(
            self._model.config.frame_lengths(batch["lengths"]),
            batch["labels"],
            batch["label_lengths"],
        )
        rows, samples = tf.unstack(tf.cast(tf.shape(batch["waveforms"]), tf.float32))
        return Sums(
            [tf.convert_to_tensor(gradient) for gradient in gradients],
            loss,
            _count(real),
            _count(real & ~possible),
            tf.reduce_sum(tf.cast(batch["lengths"], tf.float32)) / SAMPLE_RATE,
            rows * samples / SAMPLE_RATE,
        )

    def _apply(self, sums: Sums) -> StepResult:
        clipped, norm = self._strategy.run(self._clipped, args=(sums,))
        norm = self._one_of(norm)
        applied = tf.math.is_finite(norm)
        # A bad batch must not poison the weights: its step is left out and counted.
        tf.cond(
            applied,
            lambda: self._strategy.run(self._update, args=(clipped,)),
            lambda: None,
        )
        if self._config.precision == "mixed_float16":
            self._rescale(applied)
        figures = Sums([], *(self._one_of(figure) for figure in sums[1:]))
        return StepResult(
            figures.loss / tf.maximum(figures.utterances, 1.0),
            norm,
            applied,
            figures.utterances,
            figures.impossible,
            figures.audio_seconds,
            figures.padded_seconds,
        )

    def _clipped(self, sums: Sums) -> tuple[list[tf.Tensor], tf.Tensor]:
        """The gradients of the mean over utterances, and their norm as it was."""
        divisor = tf.maximum(sums.utterances, 1.0) * self._scale
        norm = tf.linalg.global_norm(sums.gradients) / divisor
        # Both in one pass over the gradients.
        factor = self._config.clip_norm / tf.maximum(norm, self._config.clip_norm) / divisor
        return [gradient * factor for gradient in sums.gradients], norm

    def _update(self, gradients: list[tf.Tensor]) -> None:
        self._optimizer.apply(gradients, self._variables)

    def _rescale(self, applied: tf.Tensor) -> None:
        good = tf.where(applied, self._good_steps + 1.0, 0.0)
        double = good >= GOOD_STEPS
        factor = tf.where(applied, tf.where(double, 2.0, 1.0), 0.5)
        self._scale.assign(tf.maximum(self._scale * factor, 1.0))
        self._good_steps.assign(tf.where(double, 0.0, good))

    def _one_of(self, value: tf.Tensor) -> tf.Tensor:
        """What every replica holds alike."""
        return self._strategy.experimental_local_results(value)[0]


@contextmanager
def drawn_for(
    model: Wav2Vec2ForCTC, seed: int, number: tf.Tensor, replica: tf.Tensor | int
) -> Iterator[None]:
    """Masks and dropout are drawn anew for each batch and replica, and the same ones each time.

    They depend on nothing that is kept from step to step, so a training that goes on after a kill
    draws what it would have drawn.
    """
    states = [
        variable for variable in model.variables if variable.path.endswith("seed_generator_state")
    ]
    place = tf.stack([tf.cast(number, tf.int32), tf.cast(replica, tf.int32)])
    key = tf.random.experimental.stateless_fold_in(
        tf.random.experimental.stateless_fold_in([seed, 0], place[0]), place[1]
    )
    drawn = tf.random.stateless_uniform([len(states), 2], key, None, None, tf.int32)
    values = tf.cast(tf.bitwise.bitwise_and(drawn, 0x7FFFFFFF), states[0].dtype)
    # Where Keras looks for the value of a variable before it asks the variable itself.
    with keras.StatelessScope(state_mapping=list(zip(states, tf.unstack(values), strict=True))):
        yield


def _trained_variables(model: Wav2Vec2ForCTC, stage: Stage) -> list[keras.Variable]:
    model.wav2vec2.trainable = stage.trains != "head"
    model.wav2vec2.feature_encoder.trainable = stage.trains == "all"
    variables = list(model.trainable_variables)
    # What a stage freezes is its own affair. Each part is told by itself, for Keras passes over a
    # value that is set already: `model.trainable = True` would reach nothing.
    model.wav2vec2.trainable = True
    model.wav2vec2.feature_encoder.trainable = True
    return variables


def _added(sums: Sums, more: Sums) -> Sums:
    return tf.nest.map_structure(tf.add, sums, more)


def _count(rows: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(rows, tf.float32))


def _shared_number(value: float, name: str) -> tf.Variable:
    return tf.Variable(
        value,
        trainable=False,
        name=name,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def _value(variable: keras.Variable | tf.Variable) -> tf.Variable:
    return variable.value if isinstance(variable, keras.Variable) else variable


def _on_tpu(strategy: tf.distribute.Strategy) -> bool:
    return isinstance(strategy, tf.distribute.TPUStrategy)
