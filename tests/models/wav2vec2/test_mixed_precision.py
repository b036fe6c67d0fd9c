"""In bfloat16 the model computes with half the bits where that is safe, and learns all the same."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from models.wav2vec2 import Wav2Vec2ForCTC
from models.wav2vec2.comparison import outputs_of_ours
from models.wav2vec2.ctc import ctc_loss
from models.wav2vec2.time_norm import TimeNorm
from tests.models.wav2vec2.conftest import STYLES

LENGTHS = [4000, 2503]


@pytest.fixture(scope="module", params=sorted(STYLES))
def pair(request, tiny_config, reference_of):
    """The same weights computed with in float32 and in bfloat16."""
    exact = Wav2Vec2ForCTC(tiny_config(request.param))
    reference_of(exact)
    mixed = Wav2Vec2ForCTC(exact.config, dtype="mixed_bfloat16")
    mixed.set_weights(exact.get_weights())
    return exact, mixed


def test_variables_and_logits_are_float32_and_what_lies_between_is_bfloat16(pair, waveforms):
    _, mixed = pair

    outputs = outputs_of_ours(mixed, waveforms, LENGTHS)

    assert {variable.dtype for variable in mixed.trainable_variables} == {"float32"}
    assert {output.dtype.name for output in outputs.values()} == {"bfloat16"}
    assert mixed(waveforms, lengths=LENGTHS).dtype == tf.float32


def test_products_are_taken_in_bfloat16_and_norms_and_softmax_in_float32(pair, waveforms):
    _, mixed = pair

    graph = tf.function(mixed).get_concrete_function(tf.constant(waveforms)).graph

    types = {kind: set() for kind in ("Conv2D", "MatMul", "BatchMatMulV2", "Softmax", "Rsqrt")}
    for operation in graph.get_operations():
        if operation.type in types:
            types[operation.type].add(operation.inputs[0].dtype.name)
    assert types == {
        "Conv2D": {"bfloat16"},
        "MatMul": {"bfloat16"},
        "BatchMatMulV2": {"bfloat16"},
        "Softmax": {"float32"},
        "Rsqrt": {"float32"},
    }


def test_logits_are_those_of_float32_but_for_rounding(pair, waveforms):
    expected, logits = (model(waveforms, lengths=LENGTHS).numpy() for model in pair)

    frames = pair[0].frame_lengths(np.array(LENGTHS))
    for row, count in enumerate(frames):
        error = logits[row, :count] - expected[row, :count]
        assert np.sqrt(np.mean(error**2)) < 0.03 * np.std(expected)


def test_gradients_point_where_those_of_float32_do(pair, waveforms):
    def direction(model):
        variables = [one for one in model.trainable_variables if "masked_spec" not in one.path]

        @tf.function
        def run(waveforms):
            with tf.GradientTape() as tape:
                frames = model.frame_lengths(np.array(LENGTHS))
                logits = model(waveforms, lengths=tf.constant(LENGTHS))
                losses = ctc_loss(logits, frames, [[1, 2, 3], [4, 5, 0]], [3, 2])
            return tape.gradient(losses, variables)

        gradients = run(tf.constant(waveforms))
        flat = np.concatenate([np.ravel(gradient) for gradient in gradients])
        return flat / np.linalg.norm(flat)

    exact, mixed = map(direction, pair)

    assert np.isfinite(mixed).all()
    assert exact @ mixed > 0.99


def test_the_norm_over_time_is_taken_in_float32():
    # In bfloat16 a spread of 0.5 about 100 is less than what rounding takes away.
    values = 100 + np.random.default_rng(0).normal(size=(1, 400, 3), scale=0.5)
    rounded = tf.cast(values, tf.bfloat16)
    norm = TimeNorm(dtype="mixed_bfloat16")

    normed = np.asarray(norm(rounded)).astype(np.float32)

    expected = np.asarray(TimeNorm()(tf.cast(rounded, tf.float32)))
    np.testing.assert_allclose(normed, expected, atol=0.02)
