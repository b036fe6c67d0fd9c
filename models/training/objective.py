"""What training lowers: a loss for each utterance of a batch."""

from __future__ import annotations

from typing import Protocol

import tensorflow as tf

from models.data import Batch
from models.wav2vec2 import Wav2Vec2ForCTC
from models.wav2vec2.ctc import ctc_loss


class Objective(Protocol):
    """Called while the step is traced, so pure TF: no value is known, no host is asked."""

    def __call__(self, model: Wav2Vec2ForCTC, batch: Batch) -> tf.Tensor:
        """The loss of each utterance in training, [batch] of float32; 0 for a row of length 0."""


def ctc_objective(model: Wav2Vec2ForCTC, batch: Batch) -> tf.Tensor:
    """CTC loss of a character: a long utterance weighs no more than a short one."""
    logits = model(batch["waveforms"], lengths=batch["lengths"], training=True)
    return ctc_by_character(logits, model, batch)


def ctc_by_character(logits: tf.Tensor, model: Wav2Vec2ForCTC, batch: Batch) -> tf.Tensor:
    """The CTC losses of logits that are there already. [batch]"""
    losses = ctc_loss(
        logits,
        model.config.frame_lengths(batch["lengths"]),
        batch["labels"],
        batch["label_lengths"],
        blank=model.config.pad_token_id,
    )
    return losses / tf.maximum(tf.cast(batch["label_lengths"], losses.dtype), 1.0)
