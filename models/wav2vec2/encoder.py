"""The transformer: positions, then a stack of attention and feed-forward layers."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from models.wav2vec2.attention import SelfAttention, attention_bias
from models.wav2vec2.config import Wav2Vec2Config
from models.wav2vec2.linear import Linear, exact_gelu
from models.wav2vec2.positional import PositionalConv
from models.wav2vec2.seeds import Seeds


class FeedForward(keras.layers.Layer):
    """Widen, gelu, narrow."""

    def __init__(self, config: Wav2Vec2Config, seeds: Seeds, **kwargs: Any) -> None:
        super().__init__(name="feed_forward", **kwargs)
        policy, stddev = self.dtype_policy, config.initializer_range
        self.widths = (config.hidden_size, config.intermediate_size)
        self.intermediate_dense = Linear(
            config.intermediate_size,
            seeds,
            stddev,
            activation=exact_gelu,
            dtype=policy,
            name="intermediate_dense",
        )
        self.output_dense = Linear(
            config.hidden_size, seeds, stddev, dtype=policy, name="output_dense"
        )
        self.intermediate_dropout = keras.layers.Dropout(
            config.activation_dropout, seed=seeds.draw(), dtype=policy
        )
        self.output_dropout = keras.layers.Dropout(
            config.hidden_dropout, seed=seeds.draw(), dtype=policy
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        hidden_size, intermediate_size = self.widths
        self.intermediate_dense.build((None, None, hidden_size))
        self.output_dense.build((None, None, intermediate_size))

    def call(self, hidden: Any, training: bool | None = None) -> Any:
        hidden = self.intermediate_dropout(self.intermediate_dense(hidden), training=training)
        return self.output_dropout(self.output_dense(hidden), training=training)


class AttentionAdapter(keras.layers.Layer):
    """The small bottleneck per language that MMS puts behind each layer."""

    def __init__(self, config: Wav2Vec2Config, seeds: Seeds, **kwargs: Any) -> None:
        super().__init__(name="adapter_layer", **kwargs)
        policy, stddev = self.dtype_policy, config.initializer_range
        self.widths = (config.hidden_size, int(config.adapter_attn_dim or 0))
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, dtype=policy, name="norm")
        self.linear_1 = Linear(
            self.widths[1], seeds, stddev, activation="relu", dtype=policy, name="linear_1"
        )
        self.linear_2 = Linear(self.widths[0], seeds, stddev, dtype=policy, name="linear_2")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        wide, narrow = self.widths
        self.norm.build((None, None, wide))
        self.linear_1.build((None, None, wide))
        self.linear_2.build((None, None, narrow))

    def call(self, hidden: Any) -> Any:
        return self.linear_2(self.linear_1(self.norm(hidden)))


class EncoderLayer(keras.layers.Layer):
    """Attention and feed-forward, each with a residual: normed after (base) or before (stable)."""

    def __init__(self, config: Wav2Vec2Config, index: int, seeds: Seeds, **kwargs: Any) -> None:
        super().__init__(name=f"layer_{index}", **kwargs)
        policy = self.dtype_policy
        self.hidden_size = config.hidden_size
        self.norm_first = config.do_stable_layer_norm
        self.attention = SelfAttention(config, seeds, dtype=policy)
        self.dropout = keras.layers.Dropout(config.hidden_dropout, seed=seeds.draw(), dtype=policy)
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=config.layer_norm_eps, dtype=policy, name="layer_norm"
        )
        self.feed_forward = FeedForward(config, seeds, dtype=policy)
        self.final_layer_norm = keras.layers.LayerNormalization(
            epsilon=config.layer_norm_eps, dtype=policy, name="final_layer_norm"
        )
        self.adapter_layer: AttentionAdapter | None = None
        if config.adapter_attn_dim is not None and config.do_stable_layer_norm:
            self.adapter_layer = AttentionAdapter(config, seeds, dtype=policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (None, None, self.hidden_size)
        for layer in (
            self.attention,
            self.layer_norm,
            self.feed_forward,
            self.final_layer_norm,
            self.adapter_layer,
        ):
            if layer is not None:
                layer.build(shape)

    def call(self, hidden: Any, attention_bias: Any = None, training: bool | None = None) -> Any:
        if self.norm_first:
            attended = self.attention(self.layer_norm(hidden), attention_bias, training=training)
            hidden = hidden + self.dropout(attended, training=training)
            hidden = hidden + self.feed_forward(self.final_layer_norm(hidden), training=training)
            return hidden if self.adapter_layer is None else hidden + self.adapter_layer(hidden)
        attended = self.attention(hidden, attention_bias, training=training)
        hidden = self.layer_norm(hidden + self.dropout(attended, training=training))
        return self.final_layer_norm(hidden + self.feed_forward(hidden, training=training))


class Encoder(keras.layers.Layer):
    """[batch, frames, hidden] in and out; layers are skipped at random in training (layer drop)."""

    def __init__(self, config: Wav2Vec2Config, seeds: Seeds, **kwargs: Any) -> None:
        super().__init__(name="encoder", **kwargs)
        policy = self.dtype_policy
        self.hidden_size = config.hidden_size
        self.norm_first = config.do_stable_layer_norm
        self.layerdrop = config.layerdrop
        self.pos_conv_embed = PositionalConv(config, seeds, dtype=policy)
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=config.layer_norm_eps, dtype=policy, name="layer_norm"
        )
        self.dropout = keras.layers.Dropout(config.hidden_dropout, seed=seeds.draw(), dtype=policy)
        self.layers = [
            EncoderLayer(config, index, seeds, dtype=policy)
            for index in range(config.num_hidden_layers)
        ]
        self.drop_seed = keras.random.SeedGenerator(seeds.draw())

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (None, None, self.hidden_size)
        for layer in (self.pos_conv_embed, self.layer_norm, *self.layers):
            layer.build(shape)

    def call(
        self, hidden: Any, frame_mask: Any = None, training: bool | None = None
    ) -> tuple[Any, list[Any]]:
        """The hidden states at the end, and those after each layer."""
        hidden = self.embed(hidden, frame_mask, training=training)
        bias = None if frame_mask is None else attention_bias(frame_mask)
        states = []
        for layer in self.layers:
            hidden = self._maybe_skip(layer, hidden, bias, training)
            states.append(hidden)
        return self.finish(hidden), states

    def embed(self, hidden: Any, frame_mask: Any = None, training: bool | None = None) -> Any:
        """Add positions. Padded frames are zero for them, as beyond the end of an unpadded run."""
        if frame_mask is not None:
            hidden = ops.where(frame_mask[:, :, None], hidden, ops.zeros_like(hidden))
        hidden = hidden + self.pos_conv_embed(hidden)
        hidden = hidden if self.norm_first else self.layer_norm(hidden)
        return self.dropout(hidden, training=training)

    def finish(self, hidden: Any) -> Any:
        """What is left to do after the last layer."""
        return self.layer_norm(hidden) if self.norm_first else hidden

    def _maybe_skip(self, layer: EncoderLayer, hidden: Any, bias: Any, training: Any) -> Any:
        if not training or self.layerdrop <= 0:
            return layer(hidden, bias, training=training)
        keep = keras.random.uniform((), seed=self.drop_seed) >= self.layerdrop
        return ops.cond(keep, lambda: layer(hidden, bias, training=training), lambda: hidden)
