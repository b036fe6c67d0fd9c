"""The model gives what the reference gives, whatever an utterance is padded with."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2Model


def reference_logits(reference, waveforms: np.ndarray, lengths: list[int] | None = None):
    import torch

    mask = None
    if lengths is not None:
        mask = torch.arange(waveforms.shape[1])[None] < torch.tensor(lengths)[:, None]
    with torch.no_grad():
        return reference(torch.tensor(waveforms), attention_mask=mask).logits.numpy()


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_logits_without_lengths_equal_the_reference(config, reference_of, waveforms, compiled):
    model = Wav2Vec2ForCTC(config)
    reference = reference_of(model)
    call = tf.function(model) if compiled else model

    logits = call(tf.constant(waveforms)).numpy()

    expected = reference_logits(reference, waveforms)
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(logits, expected, atol=2e-5)


def test_padded_logits_of_a_stable_model_equal_the_reference_with_a_mask(
    tiny_config, reference_of, waveforms
):
    model = Wav2Vec2ForCTC(tiny_config("stable"))
    reference = reference_of(model)
    waveforms[1, 2503:] = 0.0

    logits = model(waveforms, lengths=[4000, 2503]).numpy()

    expected = reference_logits(reference, waveforms, [4000, 2503])
    frames = model.frame_lengths(2503)
    np.testing.assert_allclose(logits[0], expected[0], atol=2e-5)
    np.testing.assert_allclose(logits[1, :frames], expected[1, :frames], atol=2e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"num_conv_pos_embeddings": 15},
        {"conv_bias": True},
        {"layer_norm_eps": 1e-2},
        {"add_adapter": True, "num_adapter_layers": 2},
        {"add_adapter": True, "output_hidden_size": 24},
        {"adapter_attn_dim": 8, "do_stable_layer_norm": True},
        {"mask_time_prob": 0.0},
        {"do_stable_layer_norm": True},
        {"feat_extract_norm": "layer"},
    ],
    ids=str,
)
def test_every_option_equals_the_reference(tiny_config, reference_of, waveforms, options):
    model = Wav2Vec2ForCTC(tiny_config(**options))
    reference = reference_of(model)

    logits = model(waveforms).numpy()

    np.testing.assert_allclose(logits, reference_logits(reference, waveforms), atol=2e-5)


@pytest.mark.parametrize("adapter", [False, True], ids=["plain", "adapter"])
@pytest.mark.parametrize("padding", [0.0, 7.0, np.nan])
def test_padding_does_not_change_logits(config, reference_of, waveforms, padding, adapter):
    model = Wav2Vec2ForCTC(config.replace(add_adapter=adapter))
    reference_of(model)
    alone = model(waveforms[:1, :2503]).numpy()
    batch = np.pad(waveforms, ((0, 0), (0, 1234)), constant_values=padding)
    batch[0, 2503:] = padding

    logits = model(batch, lengths=[2503, 4000]).numpy()

    frames = model.frame_lengths(2503)
    assert alone.shape[1] == frames
    np.testing.assert_allclose(logits[:1, :frames], alone, atol=1e-5)


def test_the_model_takes_batch_and_length_of_any_size_in_one_trace(config, waveforms):
    model = Wav2Vec2ForCTC(config, seed=0)
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([None], tf.int32)])
    def call(batch, lengths):
        traces.append(batch.shape)
        return model(batch, lengths)

    first = call(waveforms, [4000, 3000])
    second = call(waveforms[:1, :1000], [1000])

    assert len(traces) == 1
    assert first.shape == (2, config.frame_lengths(4000), 12)
    np.testing.assert_allclose(second, model(waveforms[:1, :1000]), atol=1e-5)


def test_the_same_seed_gives_the_same_weights(config, waveforms):
    first, again, other = (Wav2Vec2ForCTC(config, seed=seed)(waveforms) for seed in (1, 1, 2))

    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_freezing_leaves_only_what_is_asked_for_to_train(config):
    model = Wav2Vec2ForCTC(config)
    everything = len(model.trainable_variables)
    convolutions = len(model.wav2vec2.feature_encoder.variables)

    model.wav2vec2.feature_encoder.trainable = False
    assert len(model.trainable_variables) == everything - convolutions

    model.wav2vec2.trainable = False
    assert model.trainable_variables == model.lm_head.trainable_variables


def test_an_utterance_too_short_for_a_frame_does_no_harm_to_its_batch(config, waveforms):
    model = Wav2Vec2ForCTC(config, seed=0)

    logits = model(waveforms, lengths=[4000, 5]).numpy()

    assert np.isfinite(logits).all()
    np.testing.assert_allclose(logits[:1], model(waveforms[:1]), atol=1e-5)


def test_the_headless_model_gives_hidden_states(config, reference_of, waveforms):
    import torch

    model = Wav2Vec2Model(config)
    reference = reference_of(model)

    hidden = model(waveforms).numpy()

    with torch.no_grad():
        expected = reference(torch.tensor(waveforms)).last_hidden_state.numpy()
    np.testing.assert_allclose(hidden, expected, atol=2e-5)


def test_the_states_after_each_layer_equal_the_reference_and_come_with_the_logits(
    config, reference_of, waveforms
):
    import torch

    model = Wav2Vec2ForCTC(config)
    reference = reference_of(model)

    logits, states = model.with_states(waveforms)

    with torch.no_grad():
        expected = reference(torch.tensor(waveforms), output_hidden_states=True).hidden_states
    # The first of theirs is what the first layer is given.
    for state, theirs in zip(states, expected[1:], strict=True):
        np.testing.assert_allclose(state, theirs, atol=2e-5)
    np.testing.assert_array_equal(logits, model(waveforms))


def test_a_keras_config_rebuilds_the_model():
    model = Wav2Vec2ForCTC(Wav2Vec2Config(num_hidden_layers=0, vocab_size=7), seed=3)

    again = Wav2Vec2ForCTC.from_config(model.get_config())

    assert again.config == model.config
    np.testing.assert_array_equal(again.lm_head.kernel, model.lm_head.kernel)
