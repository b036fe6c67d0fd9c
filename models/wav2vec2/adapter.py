"""Strided convolutions after the encoder that shorten what a decoder has to read."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from models.wav2vec2.config import Wav2Vec2Config
from models.wav2vec2.linear import Linear
from models.wav2vec2.seeds import Seeds


class AdapterLayer(keras.layers.Layer):
    """One strided convolution with a gated linear unit; it pads one frame on either side."""

    def __init__(self, config: Wav2Vec2Config, index: int, seeds: Seeds, **kwargs: Any) -> None:
        super().__init__(name=f"adapter_{index}", **kwargs)
        self.hidden_size = config.head_size
        bound = (config.adapter_kernel_size * config.head_size) ** -0.5
        self.conv = keras.layers.Conv1D(
            2 * config.head_size,
            config.adapter_kernel_size,
            strides=config.adapter_stride,
            kernel_initializer=keras.initializers.HeNormal(seed=seeds.draw()),
            bias_initializer=keras.initializers.RandomUniform(-bound, bound, seed=seeds.draw()),
            dtype=self.dtype_policy,
            name="conv",
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.conv.build((None, None, self.hidden_size))

    def call(self, hidden: Any) -> Any:
        hidden = self.conv(ops.pad(hidden, ((0, 0), (1, 1), (0, 0))))
        value, gate = ops.split(hidden, 2, axis=-1)
        return value * ops.sigmoid(gate)


class Adapter(keras.layers.Layer):
    """[batch, frames, hidden] -> [batch, fewer frames, output_hidden]."""

    def __init__(self, config: Wav2Vec2Config, seeds: Seeds, **kwargs: Any) -> None:
        super().__init__(name="adapter", **kwargs)
        self.config = config
        self.proj: Linear | None = None
        self.proj_layer_norm: keras.layers.LayerNormalization | None = None
        if config.head_size != config.hidden_size:
            policy = self.dtype_policy
            self.proj = Linear(
                config.head_size, seeds, config.initializer_range, dtype=policy, name="proj"
            )
            self.proj_layer_norm = keras.layers.LayerNormalization(
                epsilon=1e-5, dtype=policy, name="proj_layer_norm"
            )
        self.layers = [
            AdapterLayer(config, index, seeds, dtype=self.dtype_policy)
            for index in range(config.num_adapter_layers)
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.proj is not None and self.proj_layer_norm is not None:
            self.proj.build((None, None, self.config.hidden_size))
            self.proj_layer_norm.build((None, None, self.config.head_size))
        for layer in self.layers:
            layer.build((None, None, self.config.head_size))

    def call(self, hidden: Any, frame_lengths: Any = None) -> Any:
        if self.proj is not None and self.proj_layer_norm is not None:
            hidden = self.proj_layer_norm(self.proj(hidden))
        for layer in self.layers:
            if frame_lengths is not None:
                # Beyond the end of an unpadded run there are zeros: padding must look the same.
                positions = ops.arange(ops.shape(hidden)[1], dtype="int32")
                is_real = positions < frame_lengths[:, None]
                hidden = ops.where(is_real[:, :, None], hidden, ops.zeros_like(hidden))
                frame_lengths = self.config.adapter_frame_lengths(frame_lengths)
            hidden = layer(hidden)
        return hidden
