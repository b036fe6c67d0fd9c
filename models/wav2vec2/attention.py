"""Multi-head self-attention over the frames of an utterance."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from models.wav2vec2.config import Wav2Vec2Config
from models.wav2vec2.linear import Linear
from models.wav2vec2.seeds import Seeds


class SelfAttention(keras.layers.Layer):
    """Every frame looks at every real frame: softmax(q k / sqrt(size)) v, per head."""

    def __init__(self, config: Wav2Vec2Config, seeds: Seeds, **kwargs: Any) -> None:
        super().__init__(name="attention", **kwargs)
        self.heads = config.num_attention_heads
        self.hidden_size = config.hidden_size
        self.head_size = config.hidden_size // config.num_attention_heads

        def projection(name: str) -> Linear:
            return Linear(
                config.hidden_size,
                seeds,
                config.initializer_range,
                dtype=self.dtype_policy,
                name=name,
            )

        self.q_proj = projection("q_proj")
        self.k_proj = projection("k_proj")
        self.v_proj = projection("v_proj")
        self.out_proj = projection("out_proj")
        self.dropout = keras.layers.Dropout(
            config.attention_dropout, seed=seeds.draw(), dtype=self.dtype_policy
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for layer in (self.q_proj, self.k_proj, self.v_proj, self.out_proj):
            layer.build((None, None, self.hidden_size))

    def call(self, hidden: Any, attention_bias: Any = None, training: bool | None = None) -> Any:
        query = self._split(self.q_proj(hidden) * self.head_size**-0.5)
        key = self._split(self.k_proj(hidden))
        value = self._split(self.v_proj(hidden))  # [batch, heads, frames, head_size]
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        scores = ops.cast(scores, "float32")  # [batch, heads, frames, frames]
        if attention_bias is not None:
            scores = scores + ops.cast(attention_bias, "float32")
        weights = ops.cast(ops.softmax(scores, axis=-1), self.compute_dtype)
        context = ops.matmul(self.dropout(weights, training=training), value)
        return self.out_proj(self._join(context))  # [batch, frames, hidden]

    def _split(self, hidden: Any) -> Any:
        batch, frames = ops.shape(hidden)[:2]
        hidden = ops.reshape(hidden, (batch, frames, self.heads, self.head_size))
        return ops.transpose(hidden, (0, 2, 1, 3))

    def _join(self, context: Any) -> Any:
        batch, _, frames, _ = ops.shape(context)
        context = ops.transpose(context, (0, 2, 1, 3))
        return ops.reshape(context, (batch, frames, self.hidden_size))


def attention_bias(frame_mask: Any) -> Any:
    """What is added to attention scores: nothing for real frames, a huge negative for padding."""
    return (1.0 - ops.cast(frame_mask, "float32"))[:, None, None, :] * -1e9
