"""Normalisation of each channel over time, blind to padding: the group norm of wav2vec2-base."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class TimeNorm(keras.layers.Layer):
    """Group norm with as many groups as channels: statistics over the frames of an utterance.

    The reference takes in padded frames as well, so what an utterance is padded with changes all
    its features. With `frame_lengths` the statistics here are over the true frames only: those of
    the unpadded run.
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1]
        self.gamma = self.add_weight(name="gamma", shape=(channels,), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(channels,), initializer="zeros")

    def call(self, inputs: Any, frame_lengths: Any = None) -> Any:
        hidden = ops.cast(inputs, "float32")  # [batch, frames, hidden]
        mean, variance = self._moments(hidden, frame_lengths)  # [batch, 1, hidden]
        scale = ops.cast(self.gamma, "float32") * ops.rsqrt(variance + self.epsilon)
        shift = ops.cast(self.beta, "float32") - mean * scale
        return ops.cast(hidden * scale + shift, self.compute_dtype)

    def _moments(self, hidden: Any, frame_lengths: Any) -> tuple[Any, Any]:
        if frame_lengths is None:
            mean = ops.mean(hidden, axis=1, keepdims=True)
            return mean, ops.mean(ops.square(hidden - mean), axis=1, keepdims=True)
        frames = ops.arange(ops.shape(hidden)[1], dtype="int32")
        is_real = ops.cast(frames < frame_lengths[:, None], "float32")[:, :, None]
        # An utterance shorter than the convolution has no frame; it must not divide by zero.
        count = ops.cast(ops.maximum(frame_lengths, 1), "float32")[:, None, None]
        mean = ops.sum(hidden * is_real, axis=1, keepdims=True) / count
        centred = (hidden - mean) * is_real
        return mean, ops.sum(ops.square(centred), axis=1, keepdims=True) / count
