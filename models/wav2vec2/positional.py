"""Relative positions as a convolution: weight-normalised, grouped, as many frames out as in."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from models.wav2vec2.config import Wav2Vec2Config
from models.wav2vec2.linear import exact_gelu
from models.wav2vec2.seeds import Seeds


class PositionalConv(keras.layers.Layer):
    """What is added to the hidden states so that the transformer knows the order of frames.

    The kernel is a direction and a length per tap, `kernel = g * v / |v|`. A kernel of even size
    padded by half on both sides gives one frame too many: the trailing one is left out.
    """

    def __init__(self, config: Wav2Vec2Config, seeds: Seeds, **kwargs: Any) -> None:
        super().__init__(name="pos_conv_embed", **kwargs)
        self.kernel_size = config.num_conv_pos_embeddings
        self.groups = config.num_conv_pos_embedding_groups
        self.hidden_size = config.hidden_size
        self.initial = keras.initializers.RandomNormal(
            stddev=2 * (self.kernel_size * self.hidden_size) ** -0.5, seed=seeds.draw()
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (self.kernel_size, self.hidden_size // self.groups, self.hidden_size)
        self.v = self.add_weight(name="v", shape=shape, initializer=self.initial)
        self.g = self.add_weight(name="g", shape=(self.kernel_size, 1, 1), initializer="ones")
        # As long as the drawn direction, so that the kernel starts as it was drawn.
        self.g.assign(ops.sqrt(ops.sum(ops.square(self.v), axis=(1, 2), keepdims=True)))
        self.bias = self.add_weight(name="bias", shape=(self.hidden_size,), initializer="zeros")

    def call(self, hidden: Any) -> Any:
        before = self.kernel_size // 2
        after = before - 1 if self.kernel_size % 2 == 0 else before
        padded = ops.pad(hidden, ((0, 0), (before, after), (0, 0)))
        # One convolution per group: TensorFlow's own grouped kernel is slower on CPU, its gradient
        # more so, and TFLite's built-in operators have none.
        outputs = [
            ops.conv(inputs, kernel, padding="valid")
            for inputs, kernel in zip(
                ops.split(padded, self.groups, axis=-1),
                ops.split(self.kernel(), self.groups, axis=-1),
                strict=True,
            )
        ]
        return exact_gelu(ops.concatenate(outputs, axis=-1) + self.bias)

    def kernel(self) -> Any:
        """The effective kernel, [taps, hidden / groups, hidden]; the norm is taken in float32."""
        v = ops.cast(self.v.value, "float32")
        g = ops.cast(self.g.value, "float32")
        norm = ops.sqrt(ops.sum(ops.square(v), axis=(1, 2), keepdims=True))
        return ops.cast(v * (g / norm), self.compute_dtype)
