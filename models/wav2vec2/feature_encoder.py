"""The convolutions that turn a waveform into latent frames, one every 20 ms."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from models.wav2vec2.config import Wav2Vec2Config
from models.wav2vec2.linear import exact_gelu
from models.wav2vec2.seeds import Seeds
from models.wav2vec2.time_norm import TimeNorm


class ConvLayer(keras.layers.Layer):
    """Convolution, the norm if this layer has one, gelu."""

    def __init__(self, config: Wav2Vec2Config, index: int, seeds: Seeds, **kwargs: Any) -> None:
        super().__init__(name=f"conv_{index}", **kwargs)
        fan_in = config.conv_kernel[index] * (config.conv_dim[index - 1] if index else 1)
        bound = fan_in**-0.5
        self.conv = keras.layers.Conv1D(
            config.conv_dim[index],
            config.conv_kernel[index],
            strides=config.conv_stride[index],
            use_bias=config.conv_bias,
            kernel_initializer=keras.initializers.HeNormal(seed=seeds.draw()),
            bias_initializer=keras.initializers.RandomUniform(-bound, bound, seed=seeds.draw()),
            dtype=self.dtype_policy,
            name="conv",
        )
        self.norm: keras.layers.Layer | None = None
        self.norms_over_time = config.feat_extract_norm == "group"
        if not self.norms_over_time:
            # The reference leaves this epsilon at its default, whatever the config says.
            self.norm = keras.layers.LayerNormalization(
                epsilon=1e-5, dtype=self.dtype_policy, name="layer_norm"
            )
        elif index == 0:
            self.norm = TimeNorm(dtype=self.dtype_policy, name="layer_norm")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.conv.build(input_shape)
        if self.norm is not None:
            self.norm.build((None, None, self.conv.filters))

    def call(self, hidden: Any, frame_lengths: Any = None) -> Any:
        hidden = self.conv(hidden)  # [batch, frames, hidden]
        if self.norm is not None and self.norms_over_time:
            hidden = self.norm(hidden, frame_lengths)
        elif self.norm is not None:
            hidden = self.norm(hidden)
        return exact_gelu(hidden)


class FeatureEncoder(keras.layers.Layer):
    """All convolution layers: [batch, samples] -> [batch, frames, conv_dim]."""

    def __init__(self, config: Wav2Vec2Config, seeds: Seeds, **kwargs: Any) -> None:
        super().__init__(name="feature_encoder", **kwargs)
        self.config = config
        self.conv_layers = [
            ConvLayer(config, index, seeds, dtype=self.dtype_policy)
            for index in range(len(config.conv_dim))
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = 1
        for layer in self.conv_layers:
            layer.build((None, None, channels))
            channels = layer.conv.filters

    def call(self, waveforms: Any, lengths: Any = None) -> Any:
        hidden = ops.expand_dims(waveforms, -1)  # [batch, samples, 1]
        for layer in self.conv_layers:
            if layer.norm is not None and layer.norms_over_time and lengths is not None:
                kernel, stride = self.config.conv_kernel[0], self.config.conv_stride[0]
                hidden = layer(hidden, frame_lengths=(lengths - kernel) // stride + 1)
            else:
                hidden = layer(hidden)
        return hidden  # [batch, frames, conv_dim]
