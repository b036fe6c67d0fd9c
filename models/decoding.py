"""From logits to text: greedy CTC decoding as a TF graph, so that it ships inside the model."""

from __future__ import annotations

import tensorflow as tf

from models.vocabulary import Vocabulary


def greedy_path(logits: tf.Tensor, frame_lengths: tf.Tensor, blank: int) -> tf.Tensor:
    """The best token of each frame, merged the CTC way: dropped frames hold -1. [batch, frames]"""
    best = tf.argmax(logits, axis=-1, output_type=tf.int32)  # [batch, frames]
    previous = tf.pad(best[:, :-1], [[0, 0], [1, 0]], constant_values=-1)
    real = tf.sequence_mask(frame_lengths, tf.shape(best)[1])
    return tf.where((best != previous) & (best != blank) & real, best, -1)


def path_to_text(path: tf.Tensor, vocabulary: Vocabulary) -> tf.Tensor:
    """Merged paths as strings, words apart by single spaces. [batch]"""
    # Index 0 of the table is the dropped frame's empty string.
    written = tf.constant(["", *vocabulary.written_tokens()])
    joined = tf.strings.reduce_join(tf.gather(written, path + 1), axis=-1)
    return tf.strings.strip(tf.strings.regex_replace(joined, " +", " "))


def greedy_text(logits: tf.Tensor, frame_lengths: tf.Tensor, vocabulary: Vocabulary) -> tf.Tensor:
    """The greedy transcript of each row. [batch]"""
    return path_to_text(greedy_path(logits, frame_lengths, vocabulary.blank), vocabulary)
