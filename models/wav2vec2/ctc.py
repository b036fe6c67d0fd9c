"""Connectionist temporal classification: the loss of a transcript over all its alignments."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from keras import ops

# Stands for log(0): far below any real log-probability, yet finite, so that sums stay finite too.
_NEVER = -1e30


def ctc_loss(
    logits: Any, frame_lengths: Any, labels: Any, label_lengths: Any, blank: int = 0
) -> Any:
    """-log p(labels | logits) of each utterance: [batch] of float32, always finite.

    `logits` [batch, frames, vocab], `labels` [batch, characters] of int, dense; what lies beyond
    `frame_lengths` and `label_lengths` is not looked at. An utterance that no alignment can
    spell (`alignable` is false for it) has loss 0 and gradient 0, as with PyTorch's
    `zero_infinity`. Works under `tf.function`, XLA and on TPU.
    """
    frame_lengths = ops.cast(frame_lengths, "int32")
    label_lengths = ops.cast(label_lengths, "int32")
    labels = _hide_padding(ops.cast(labels, "int32"), label_lengths, blank)
    possible = alignable(frame_lengths, labels, label_lengths)
    # An impossible transcript is scored as an empty one, then set to 0: nothing infinite arises.
    label_lengths = ops.where(possible, label_lengths, 0)
    labels = _hide_padding(labels, label_lengths, blank)
    frame_lengths = ops.maximum(frame_lengths, 1)

    states = _extend(labels, blank)  # [batch, states]
    log_probs = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    emissions = tf.gather(log_probs, states, axis=2, batch_dims=1)  # [batch, frames, states]
    total = _log_likelihood(emissions, states, frame_lengths, 2 * label_lengths + 1, blank)
    return ops.where(possible, -total, 0.0)


def alignable(frame_lengths: Any, labels: Any, label_lengths: Any) -> Any:
    """Whether each transcript fits its frames, a blank between equal neighbours included."""
    frame_lengths = ops.cast(frame_lengths, "int32")
    label_lengths = ops.cast(label_lengths, "int32")
    positions = ops.arange(ops.shape(labels)[1] - 1, dtype="int32") + 1
    repeats = ops.logical_and(labels[:, 1:] == labels[:, :-1], positions < label_lengths[:, None])
    needed = label_lengths + ops.sum(ops.cast(repeats, "int32"), axis=1)
    return ops.logical_and(needed <= frame_lengths, frame_lengths > 0)


def reduce_ctc(losses: Any, label_lengths: Any, reduction: str) -> Any:
    """Join the losses of a batch as PyTorch does: "sum", "mean" (per character), or "none"."""
    if reduction == "sum":
        return ops.sum(losses)
    if reduction == "mean":
        return ops.mean(losses / ops.cast(ops.maximum(label_lengths, 1), losses.dtype))
    return losses


def _hide_padding(labels: Any, label_lengths: Any, blank: int) -> Any:
    positions = ops.arange(ops.shape(labels)[1], dtype="int32")
    return ops.where(positions < label_lengths[:, None], labels, blank)


def _extend(labels: Any, blank: int) -> Any:
    """A blank before, between and after the labels: the states an alignment walks through."""
    blanks = ops.full_like(labels, blank)
    pairs = ops.stack([blanks, labels], axis=2)  # [batch, characters, 2]
    batch, characters = ops.shape(labels)
    return ops.pad(
        ops.reshape(pairs, (batch, 2 * characters)), ((0, 0), (0, 1)), constant_values=blank
    )


def _log_likelihood(
    emissions: Any, states: Any, frame_lengths: Any, state_lengths: Any, blank: int
) -> Any:
    """Sum over alignments, with the gradient written out: it is the occupancy of each state.

    The backward pass of the forward-backward algorithm is the forward pass over the utterance
    read from its end, so one scan over twice the batch does both.
    """

    @ops.custom_gradient
    def total_of(emissions: Any) -> Any:
        frames, count = ops.shape(emissions)[1:]
        in_time = ops.arange(frames, dtype="int32") < frame_lengths[:, None]
        in_states = ops.arange(count, dtype="int32") < state_lengths[:, None]

        backwards = _reversed(_reversed(emissions, frame_lengths, 1), state_lengths, 2)
        both = ops.concatenate([emissions, backwards], axis=0)
        both_states = ops.concatenate([states, _reversed(states, state_lengths, 1)], axis=0)
        scores = _walk(both, both_states, blank)  # [2 * batch, frames, states]
        forward, backward = ops.split(scores, 2, axis=0)
        backward = _reversed(_reversed(backward, frame_lengths, 1), state_lengths, 2)

        total = _final(forward, frame_lengths, state_lengths)  # [batch]
        log_occupancy = forward + backward - emissions - total[:, None, None]
        inside = ops.logical_and(in_time[:, :, None], in_states[:, None, :])
        occupancy = ops.where(inside, ops.exp(ops.minimum(log_occupancy, 0.0)), 0.0)

        def gradient(upstream: Any, **_: Any) -> Any:
            return upstream[:, None, None] * occupancy

        return total, gradient

    return total_of(emissions)


def _reversed(values: Any, lengths: Any, axis: int) -> Any:
    """Turn round the first `lengths` entries along an axis, leaving the padding behind them."""
    return tf.reverse_sequence(values, lengths, seq_axis=axis, batch_axis=0)


def _walk(emissions: Any, states: Any, blank: int) -> Any:
    """Log-probability of having come to each state at each frame: [batch, frames, states]."""
    batch, count = ops.shape(states)
    before_last = ops.pad(states, ((0, 0), (2, 0)), constant_values=blank)[:, :-2]
    may_skip = ops.logical_and(states != blank, states != before_last)
    skip_penalty = ops.where(may_skip, 0.0, _NEVER)
    # As if one frame before the first, in a state before the first.
    start = ops.concatenate(
        [ops.zeros((batch, 1), "float32"), ops.full((batch, count - 1), _NEVER, "float32")], axis=1
    )

    def step(scores: Any, emission: Any) -> Any:
        padded = ops.pad(scores, ((0, 0), (2, 0)), constant_values=_NEVER)
        by_one, by_two = padded[:, 1:-1], padded[:, :-2] + skip_penalty
        best = ops.maximum(ops.maximum(scores, by_one), by_two)
        ways = ops.exp(scores - best) + ops.exp(by_one - best) + ops.exp(by_two - best)
        return ops.maximum(best + ops.log(ways) + emission, _NEVER)

    over_time = ops.transpose(emissions, (1, 0, 2))
    walked = tf.scan(step, over_time, initializer=start)
    return ops.transpose(walked, (1, 0, 2))


def _final(scores: Any, frame_lengths: Any, state_lengths: Any) -> Any:
    """An alignment ends at the last frame in the last label or the blank after it."""
    last = tf.gather(scores, frame_lengths - 1, batch_dims=1)  # [batch, states]
    in_blank = tf.gather(last, state_lengths - 1, batch_dims=1)
    in_label = tf.gather(last, ops.maximum(state_lengths - 2, 0), batch_dims=1)
    in_label = ops.where(state_lengths > 1, in_label, _NEVER)
    return ops.logaddexp(in_blank, in_label)
