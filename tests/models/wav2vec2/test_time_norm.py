"""The norm over time is the same in training, where its gradient is written out."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from models.wav2vec2.time_norm import TimeNorm

FRAMES, CHANNELS = 50, 6


@pytest.fixture
def norm() -> TimeNorm:
    random = np.random.default_rng(0)
    layer = TimeNorm()
    layer.build((None, None, CHANNELS))
    layer.set_weights(list(random.normal(size=(2, CHANNELS))))
    return layer


def normed_and_gradients(norm, training, lengths):
    random = np.random.default_rng(1)
    hidden = tf.constant(random.normal(0.3, 2.0, (3, FRAMES, CHANNELS)), tf.float32)
    upstream = tf.constant(random.normal(size=hidden.shape), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        normed = norm(hidden, lengths, training=training)
    sources = [hidden, norm.gamma.value, norm.beta.value]
    return normed, *tape.gradient(normed, sources, output_gradients=upstream)


@pytest.mark.parametrize("lengths", [None, [FRAMES, 31, 0]], ids=["unpadded", "padded"])
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_training_changes_neither_values_nor_gradients(norm, lengths, jit_compile):
    lengths = None if lengths is None else tf.constant(lengths)
    compiled = tf.function(normed_and_gradients, jit_compile=jit_compile)

    in_training = compiled(norm, True, lengths)

    for found, expected in zip(
        in_training, normed_and_gradients(norm, False, lengths), strict=True
    ):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, atol=2e-6 * scale)
