"""Pretraining without transcripts: tell a masked frame's quantised vector from those of others."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops

from models.wav2vec2.config import Wav2Vec2Config
from models.wav2vec2.linear import Linear
from models.wav2vec2.masking import random_spans
from models.wav2vec2.model import Pretrained, Wav2Vec2Model
from models.wav2vec2.quantizer import GumbelQuantizer
from models.wav2vec2.seeds import Seeds


class PretrainingLoss(NamedTuple):
    """`total = contrastive + weight * diversity`, sums over the masked frames."""

    total: Any
    contrastive: Any
    diversity: Any
    perplexity: Any


class Wav2Vec2ForPreTraining(Pretrained):
    """The trunk with the heads of pretraining, so that pretrained checkpoints are whole.

    >>> model = Wav2Vec2ForPreTraining(Wav2Vec2Config(num_hidden_layers=1), seed=0)
    >>> waveforms = keras.random.normal((2, 16_000), seed=0)
    >>> mask = model.draw_mask(lengths=[16_000, 12_000])
    >>> negatives = model.draw_negatives(mask)
    >>> loss = model.pretraining_loss(waveforms, [16_000, 12_000], mask, negatives, training=True)
    """

    def __init__(
        self,
        config: Wav2Vec2Config,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, seed=seed, name=name or "wav2vec2_for_pretraining", **kwargs)
        seeds, policy = Seeds(None if seed is None else seed + 1), self.dtype_policy
        self.wav2vec2 = Wav2Vec2Model(config, seed=seed, dtype=policy)
        self.dropout_features = keras.layers.Dropout(
            config.feat_quantizer_dropout, seed=seeds.draw(), dtype=policy
        )
        self.quantizer = GumbelQuantizer(config, seeds, dtype=policy)
        stddev = config.initializer_range
        self.project_hid = Linear(
            config.proj_codevector_dim, seeds, stddev, dtype=policy, name="project_hid"
        )
        self.project_q = Linear(
            config.proj_codevector_dim, seeds, stddev, dtype=policy, name="project_q"
        )
        self.draw_seed = keras.random.SeedGenerator(seeds.draw())
        self.build((None, None))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.quantizer.build((None, None, self.config.conv_dim[-1]))
        self.project_hid.build((None, None, self.config.head_size))
        self.project_q.build((None, None, self.config.codevector_dim))
        self.built = True

    def call(
        self,
        waveforms: Any,
        lengths: Any = None,
        training: bool | None = None,
        time_mask: Any = None,
    ) -> tuple[Any, Any, Any]:
        """Contextual and quantised frames, both [batch, frames, proj], and the perplexity."""
        hidden, features, _ = self.wav2vec2.encode(waveforms, lengths, training, time_mask)
        features = self.dropout_features(features, training=training)
        quantised, perplexity = self.quantizer(features, time_mask, training=training)
        return self.project_hid(hidden), self.project_q(quantised), perplexity

    def pretraining_loss(
        self,
        waveforms: Any,
        lengths: Any,
        time_mask: Any,
        negatives: Any,
        training: bool | None = None,
    ) -> PretrainingLoss:
        """`time_mask` [batch, frames] of bool; `negatives` [batch, frames, count] of frames."""
        config = self.config
        contextual, quantised, perplexity = self(
            waveforms, lengths=lengths, training=training, time_mask=time_mask
        )
        contrastive = contrastive_loss(
            contextual, quantised, time_mask, negatives, config.contrastive_logits_temperature
        )
        codevectors = config.num_codevectors_per_group * config.num_codevector_groups
        masked = ops.sum(ops.cast(time_mask, "float32"))
        diversity = (codevectors - perplexity) / codevectors * masked
        total = contrastive + config.diversity_loss_weight * diversity
        return PretrainingLoss(total, contrastive, diversity, perplexity)

    def draw_mask(self, lengths: Any) -> Any:
        """Spans to hide, by the config's masking settings: [batch, frames] of bool."""
        config = self.config
        frame_lengths = config.encoder_frame_lengths(
            ops.cast(ops.convert_to_tensor(lengths), "int32")
        )
        return random_spans(
            frame_lengths,
            ops.max(frame_lengths),
            config.mask_time_prob,
            config.mask_time_length,
            config.mask_time_min_masks,
            self.draw_seed,
        )

    def draw_negatives(self, time_mask: Any) -> Any:
        """For each masked frame, other masked frames of its utterance: [batch, frames, count]."""
        return draw_negatives(time_mask, self.config.num_negatives, self.draw_seed)


def draw_negatives(time_mask: Any, count: int, seed: keras.random.SeedGenerator) -> Any:
    """Indices of masked frames other than the frame itself, uniformly, with replacement.

    What stands at frames that are not masked has no meaning. An utterance with one masked frame
    has no other: its frame then stands for its own negative, which the loss leaves out.
    """
    mask = ops.cast(time_mask, "int32")
    batch, frames = ops.shape(mask)
    masked = ops.sum(mask, axis=1)[:, None, None]  # [batch, 1, 1]
    in_order = ops.argsort(1 - mask, axis=1)  # masked frames first; the sort is stable
    place = (ops.cumsum(mask, axis=1) - 1)[:, :, None]  # of a frame among the masked ones
    drawn = keras.random.uniform((batch, frames, count), seed=seed)
    others = ops.maximum(masked - 1, 1)
    drawn = ops.minimum(ops.cast(drawn * ops.cast(others, "float32"), "int32"), others - 1)
    drawn = ops.where(drawn >= place, drawn + 1, drawn)  # step over the frame itself
    drawn = ops.clip(drawn, 0, ops.maximum(masked - 1, 0))
    return tf.gather(in_order, drawn, batch_dims=1)


def contrastive_loss(
    contextual: Any, quantised: Any, time_mask: Any, negatives: Any, temperature: float
) -> Any:
    """Sum over masked frames of -log of the share of the true vector among the distractors."""
    contextual = _unit(ops.cast(contextual, "float32"))
    quantised = ops.cast(quantised, "float32")
    candidates = tf.gather(quantised, negatives, batch_dims=1)  # [batch, frames, count, proj]
    same = ops.all(candidates == quantised[:, :, None, :], axis=-1)
    positive = ops.sum(contextual * _unit(quantised), axis=-1, keepdims=True)
    negative = ops.einsum("bfd,bfnd->bfn", contextual, _unit(candidates))
    # A distractor that is the very vector sought would punish a right answer.
    negative = ops.where(same, -1e30, negative / temperature)
    logits = ops.concatenate([positive / temperature, negative], axis=-1)
    losses = ops.logsumexp(logits, axis=-1) - logits[:, :, 0]  # [batch, frames]
    return ops.sum(ops.where(time_mask, losses, 0.0))


def _unit(vectors: Any) -> Any:
    norm = ops.sqrt(ops.maximum(ops.sum(ops.square(vectors), axis=-1, keepdims=True), 1e-16))
    return vectors / norm
