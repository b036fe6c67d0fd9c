"""SpecAugment on latent frames: spans of time and bands of features hidden during training."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from models.wav2vec2.config import Wav2Vec2Config
from models.wav2vec2.seeds import Seeds


def random_spans(
    lengths: Any,
    size: Any,
    probability: float,
    span: int,
    min_spans: int,
    seed: keras.random.SeedGenerator,
) -> Any:
    """Choose spans at random, in the graph, anew at every call: [batch, size] of bool.

    Each row of `lengths` positions has `probability * length / span` spans (the fraction decides
    at random between the two whole numbers, at least `min_spans`), whose starts are distinct and
    which end within the length. Spans may overlap, so `probability` is an upper bound of what is
    masked on average.
    """
    batch = ops.shape(lengths)[0]
    real = ops.cast(lengths, "float32")
    wanted = ops.floor(probability * real / span + keras.random.uniform((), seed=seed))
    wanted = ops.maximum(wanted, float(min_spans))
    starts = ops.maximum(real - (span - 1), 0.0)  # where a span still fits
    room = ops.floor(ops.cast(size, "float32") / span)
    wanted = ops.minimum(ops.minimum(wanted, room), starts)

    positions = ops.arange(size, dtype="int32")
    scores = keras.random.uniform((batch, size), seed=seed)
    scores = ops.where(ops.cast(positions, "float32") < starts[:, None], scores, 2.0)
    rank = ops.argsort(ops.argsort(scores, axis=-1), axis=-1)
    is_start = ops.cast(ops.cast(rank, "float32") < wanted[:, None], "int32")
    # A position is masked when a span began here or at most `span - 1` positions ago.
    begun = ops.cumsum(is_start, axis=-1)
    ended = ops.pad(begun, ((0, 0), (span, 0)))[:, : ops.shape(begun)[1]]
    return begun > ended


class SpecAugment(keras.layers.Layer):
    """Replaces masked frames by a learned vector and zeroes masked features, in training only."""

    def __init__(self, config: Wav2Vec2Config, seeds: Seeds, **kwargs: Any) -> None:
        super().__init__(name="spec_augment", **kwargs)
        self.config = config
        self.initial = keras.initializers.RandomUniform(0.0, 1.0, seed=seeds.draw())
        self.seed = keras.random.SeedGenerator(seeds.draw())

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.masked_spec_embed = None
        if self.config.has_mask_embedding:
            self.masked_spec_embed = self.add_weight(
                name="masked_spec_embed",
                shape=(self.config.hidden_size,),
                initializer=self.initial,
            )

    def call(
        self,
        hidden: Any,
        frame_lengths: Any = None,
        time_mask: Any = None,
        training: bool | None = None,
    ) -> Any:
        """`time_mask`, [batch, frames] of bool, is used as it is, in training or not."""
        config = self.config
        if not config.apply_spec_augment:
            return hidden
        batch, frames = ops.shape(hidden)[:2]
        if time_mask is None and training and config.mask_time_prob > 0:
            if frame_lengths is None:
                frame_lengths = ops.broadcast_to(frames, (batch,))
            time_mask = random_spans(
                frame_lengths,
                frames,
                config.mask_time_prob,
                config.mask_time_length,
                config.mask_time_min_masks,
                self.seed,
            )
        if time_mask is not None:
            embed = ops.cast(self.masked_spec_embed, hidden.dtype)
            hidden = ops.where(time_mask[:, :, None], embed, hidden)
        if training and config.mask_feature_prob > 0:
            feature_mask = random_spans(
                ops.broadcast_to(config.hidden_size, (batch,)),
                config.hidden_size,
                config.mask_feature_prob,
                config.mask_feature_length,
                config.mask_feature_min_masks,
                self.seed,
            )
            hidden = ops.where(feature_mask[:, None, :], ops.zeros_like(hidden), hidden)
        return hidden
