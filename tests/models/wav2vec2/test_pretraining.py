"""Pretraining's losses are the reference's, and what is drawn at random is drawn rightly."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.wav2vec2 import Wav2Vec2ForPreTraining
from models.wav2vec2.pretraining import draw_negatives
from models.wav2vec2.tensor_names import named_tensors


@pytest.fixture
def pretraining_config(config):
    return config.replace(
        num_codevectors_per_group=8,
        codevector_dim=16,
        proj_codevector_dim=12,
        num_negatives=5,
        mask_time_prob=0.4,
        mask_time_length=4,
    )


def test_losses_equal_the_reference_with_the_same_mask_and_negatives(
    pretraining_config, reference_of, waveforms
):
    import torch

    model = Wav2Vec2ForPreTraining(pretraining_config, seed=0)
    reference = reference_of(model)
    mask = model.draw_mask([4000, 4000])
    negatives = model.draw_negatives(mask).numpy()

    ours = model.pretraining_loss(waveforms, None, mask, negatives)

    frames = mask.shape[1]
    with torch.no_grad():
        theirs = reference(
            torch.tensor(waveforms),
            mask_time_indices=torch.tensor(mask.numpy()),
            # The reference counts frames through the whole batch.
            sampled_negative_indices=torch.tensor(negatives + np.arange(2)[:, None, None] * frames),
        )
    np.testing.assert_allclose(ours.contrastive, theirs.contrastive_loss, rtol=1e-4)
    np.testing.assert_allclose(ours.diversity, theirs.diversity_loss, rtol=1e-4)
    np.testing.assert_allclose(ours.total, theirs.loss, rtol=1e-4)
    np.testing.assert_allclose(ours.perplexity, theirs.codevector_perplexity, rtol=1e-4)


def test_gradients_equal_the_reference_with_the_same_mask_and_negatives(
    pretraining_config, reference_of, waveforms
):
    import torch

    model = Wav2Vec2ForPreTraining(pretraining_config, seed=0)
    reference = reference_of(model)
    mask = model.draw_mask([4000, 4000])
    negatives = model.draw_negatives(mask).numpy()
    variables = {tensor.key: tensor.variable for tensor in named_tensors(model)}

    with tf.GradientTape() as tape:
        total = model.pretraining_loss(waveforms, None, mask, negatives).total
    gradients = tape.gradient(total, variables)

    offsets = np.arange(2)[:, None, None] * mask.shape[1]
    reference(
        torch.tensor(waveforms),
        mask_time_indices=torch.tensor(mask.numpy()),
        sampled_negative_indices=torch.tensor(negatives + offsets),
    ).loss.backward()
    expected = {
        name: parameter.grad.numpy()
        for name, parameter in reference.named_parameters()
        if parameter.grad is not None and "k_proj.bias" not in name  # true value: zero
    }
    assert len(expected) > 0.9 * len(variables)
    for name, theirs in expected.items():
        ours = gradients[name].numpy()
        ours = ours if name == "quantizer.codevectors" else np.transpose(ours)
        np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max(), err_msg=name)


def test_padding_does_not_change_the_loss(pretraining_config, reference_of, waveforms):
    model = Wav2Vec2ForPreTraining(pretraining_config, seed=0)
    reference_of(model)
    mask = model.draw_mask([2503])
    negatives = model.draw_negatives(mask)
    frames = pretraining_config.frame_lengths(4000)
    missing = frames - mask.shape[1]

    alone = model.pretraining_loss(waveforms[:1, :2503], None, mask, negatives)
    padded = model.pretraining_loss(
        waveforms[:1],
        [2503],
        tf.pad(mask, [[0, 0], [0, missing]]),
        tf.pad(negatives, [[0, 0], [0, missing], [0, 0]]),
    )

    np.testing.assert_allclose(padded.total, alone.total, rtol=1e-4)


def test_every_parameter_learns_in_training(pretraining_config, waveforms):
    model = Wav2Vec2ForPreTraining(pretraining_config.replace(layerdrop=0.0), seed=0)
    mask = model.draw_mask([4000, 3000])
    negatives = model.draw_negatives(mask)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = model.pretraining_loss(waveforms, [4000, 3000], mask, negatives, training=True)
        return loss.total, tape.gradient(loss.total, model.trainable_variables)

    first, gradients = step()
    second, _ = step()

    assert np.isfinite(first) and first != second
    silent = [
        variable.path
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True)
        # A bias of the keys shifts all scores of a row alike: softmax does not see it.
        if not np.abs(gradient).max() > 0 and "k_proj/bias" not in variable.path
    ]
    assert silent == []


def test_negatives_are_other_masked_frames_of_the_same_utterance():
    mask = np.zeros((2, 30), bool)
    mask[0, [3, 4, 5, 20]] = True
    mask[1, 10:28] = True

    negatives = draw_negatives(mask, 200, keras.random.SeedGenerator(0)).numpy()

    for row in range(2):
        masked = set(np.flatnonzero(mask[row]))
        for frame in masked:
            assert set(negatives[row, frame]) == masked - {frame}


def test_a_schedule_can_lower_the_temperature_of_a_traced_step(pretraining_config):
    model = Wav2Vec2ForPreTraining(pretraining_config, seed=0)
    temperature = model.quantizer.temperature
    features = np.random.default_rng(0).normal(size=(2, 50, 24)).astype(np.float32)

    @tf.function
    def slope():
        """How far the soft choice is from the hard one: the gradient that the codebook passes."""
        with tf.GradientTape() as tape:
            watched = tf.constant(features)
            tape.watch(watched)
            quantised, _ = model.quantizer(watched, training=True)
        return tf.reduce_sum(tf.abs(tape.gradient(quantised, watched)))

    assert temperature.numpy() == 2.0
    warm = slope()
    temperature.assign(100.0)
    hot = slope()

    assert hot < warm / 10  # in one trace, so the value is read at every step
    assert all(temperature is not variable for variable in model.trainable_variables)


def test_a_pretrained_checkpoint_survives_a_round_trip(
    pretraining_config, reference_of, waveforms, tmp_path
):
    import transformers

    model = Wav2Vec2ForPreTraining(pretraining_config)
    reference_of(model)
    model.save_pretrained(tmp_path)

    again = Wav2Vec2ForPreTraining.from_pretrained(tmp_path)
    _, info = transformers.Wav2Vec2ForPreTraining.from_pretrained(
        tmp_path, output_loading_info=True
    )

    assert not any(info.values())
    for ours, theirs in zip(again(waveforms), model(waveforms), strict=True):
        np.testing.assert_array_equal(ours, theirs)
