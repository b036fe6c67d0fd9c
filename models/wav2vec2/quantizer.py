"""Gumbel vector quantisation: each latent frame becomes one of a finite set of vectors."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from models.wav2vec2.config import Wav2Vec2Config
from models.wav2vec2.linear import Linear
from models.wav2vec2.seeds import Seeds


class GumbelQuantizer(keras.layers.Layer):
    """Chooses one codevector per group and joins them.

    In training the choice is drawn by the Gumbel trick, its gradient that of a softmax of
    `temperature` (a variable: assign a lower value as pretraining goes on). Otherwise the most
    probable codevector is taken.
    """

    def __init__(self, config: Wav2Vec2Config, seeds: Seeds, **kwargs: Any) -> None:
        super().__init__(name="quantizer", **kwargs)
        self.groups = config.num_codevector_groups
        self.choices = config.num_codevectors_per_group
        self.codevector_dim = config.codevector_dim
        self.channels = config.conv_dim[-1]
        self.weight_proj = Linear(
            self.groups * self.choices,
            seeds,
            stddev=1.0,
            dtype=self.dtype_policy,
            name="weight_proj",
        )
        self.initial = keras.initializers.RandomUniform(0.0, 1.0, seed=seeds.draw())
        self.gumbel_seed = keras.random.SeedGenerator(seeds.draw())

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.weight_proj.build((None, None, self.channels))
        self.codevectors = self.add_weight(
            name="codevectors",
            shape=(1, self.groups * self.choices, self.codevector_dim // self.groups),
            initializer=self.initial,
        )
        self.temperature = self.add_weight(
            name="temperature", shape=(), initializer="ones", trainable=False, dtype="float32"
        )
        self.temperature.assign(2.0)  # where the paper starts

    def call(
        self, features: Any, counted: Any = None, training: bool | None = None
    ) -> tuple[Any, Any]:
        """Quantised frames [batch, frames, codevector_dim], and the perplexity of the choice.

        `counted`, [batch, frames] of bool, says over which frames the perplexity is taken.
        """
        batch, frames = ops.shape(features)[:2]
        logits = ops.reshape(
            ops.cast(self.weight_proj(features), "float32"),
            (batch, frames, self.groups, self.choices),
        )
        chosen = self._draw(logits) if training else self._best(logits)
        distribution = ops.softmax(logits, axis=-1) if training else chosen
        codebook = ops.reshape(
            ops.cast(self.codevectors, "float32"), (self.groups, self.choices, -1)
        )
        quantised = ops.einsum("bfgc,gcd->bfgd", chosen, codebook)
        quantised = ops.reshape(quantised, (batch, frames, self.codevector_dim))
        return ops.cast(quantised, self.compute_dtype), _perplexity(distribution, counted)

    def _best(self, logits: Any) -> Any:
        return ops.one_hot(ops.argmax(logits, axis=-1), self.choices, dtype="float32")

    def _draw(self, logits: Any) -> Any:
        uniform = keras.random.uniform(
            ops.shape(logits), minval=1e-20, maxval=1.0, seed=self.gumbel_seed
        )
        soft = ops.softmax((logits - ops.log(-ops.log(uniform))) / self.temperature, axis=-1)
        hard = ops.one_hot(ops.argmax(soft, axis=-1), self.choices, dtype="float32")
        return soft + ops.stop_gradient(hard - soft)  # the value is hard, the gradient soft


def _perplexity(distribution: Any, counted: Any) -> Any:
    """How many codevectors are in use, summed over groups."""
    if counted is None:
        mean = ops.mean(distribution, axis=(0, 1))
    else:
        weight = ops.cast(counted, "float32")[:, :, None, None]
        total = ops.maximum(ops.sum(weight), 1.0)
        mean = ops.sum(distribution * weight, axis=(0, 1)) / total  # [groups, choices]
    return ops.sum(ops.exp(-ops.sum(ops.where(mean > 0, mean * _safe_log(mean), 0.0), axis=-1)))


def _safe_log(values: Any) -> Any:
    return ops.log(ops.where(values > 0, values, 1.0))
