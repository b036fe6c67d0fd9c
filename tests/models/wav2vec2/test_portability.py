"""The model leaves Python: as a SavedModel, as TFLite with builtin operators, compiled by XLA."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from models.wav2vec2 import Wav2Vec2ForCTC
from models.wav2vec2.ctc import ctc_loss

SAMPLES = 4000


def exported(model, waveform_shape, folder) -> str:
    """A module that merely holds the model, as anyone would write it."""
    module = tf.Module()
    module.model = model

    @tf.function(
        input_signature=[
            tf.TensorSpec(waveform_shape, tf.float32, name="waveforms"),
            tf.TensorSpec(waveform_shape[:1], tf.int32, name="lengths"),
        ]
    )
    def serve(waveforms, lengths):
        return {"logits": model(waveforms, lengths)}

    module.serve = serve
    tf.saved_model.save(module, str(folder), signatures=serve)
    return str(folder)


def test_a_saved_model_serves_batches_and_lengths_of_any_size(config, waveforms, tmp_path):
    model = Wav2Vec2ForCTC(config, seed=0)

    served = tf.saved_model.load(exported(model, [None, None], tmp_path)).signatures

    for batch, lengths in [(waveforms, [4000, 3000]), (waveforms[:1, :1500], [1500])]:
        logits = served["serving_default"](
            waveforms=tf.constant(batch), lengths=tf.constant(lengths)
        )["logits"]
        np.testing.assert_allclose(logits, model(batch, lengths=lengths), atol=1e-5)


def test_tflite_needs_builtin_operators_only_and_gives_equal_logits(config, waveforms, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    model = Wav2Vec2ForCTC(config, seed=0)
    folder = exported(model, [1, SAMPLES], tmp_path)
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]

    interpreter = Interpreter(model_content=converter.convert())
    run = interpreter.get_signature_runner("serving_default")
    logits = run(waveforms=waveforms[:1], lengths=np.array([3100], np.int32))["logits"]

    frames = model.frame_lengths(3100)
    expected = model(waveforms[:1, :3100]).numpy()
    np.testing.assert_allclose(logits[:, :frames], expected, atol=1e-4)


def test_xla_compiles_forward_and_backward_with_static_shapes(tiny_config, waveforms):
    config = tiny_config("base", num_hidden_layers=1, layerdrop=0.3, mask_feature_prob=0.1)
    model = Wav2Vec2ForCTC(config, seed=0)

    @tf.function(jit_compile=True)
    def step(waveforms, lengths, labels, label_lengths):
        with tf.GradientTape() as tape:
            logits = model(waveforms, lengths, training=True)
            frames = config.frame_lengths(lengths)
            loss = tf.reduce_sum(ctc_loss(logits, frames, labels, label_lengths))
        return loss, tape.gradient(loss, model.trainable_variables)

    inputs = (
        tf.constant(waveforms),
        tf.constant([4000, 3000]),
        tf.constant([[1, 2, 3], [4, 4, 0]]),
        tf.constant([3, 2]),
    )
    first, gradients = step(*inputs)
    second, _ = step(*inputs)

    assert all(gradient is not None for gradient in gradients)
    assert np.isfinite(first) and all(np.isfinite(g).all() for g in gradients)
    assert first != second  # dropout and masks are drawn anew, not frozen when traced


@pytest.mark.parametrize("training", [False, True])
def test_xla_and_the_plain_graph_agree(config, waveforms, training):
    plain = config.replace(
        layerdrop=0.0,
        hidden_dropout=0.0,
        activation_dropout=0.0,
        attention_dropout=0.0,
        final_dropout=0.0,
        apply_spec_augment=False,
    )
    model = Wav2Vec2ForCTC(plain, seed=0)

    compiled = tf.function(lambda w, n: model(w, n, training=training), jit_compile=True)

    logits = compiled(tf.constant(waveforms), tf.constant([4000, 3000]))
    np.testing.assert_allclose(logits, model(waveforms, lengths=[4000, 3000]), atol=2e-5)
