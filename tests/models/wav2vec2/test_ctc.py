"""The CTC loss is PyTorch's, eager, in a graph and compiled, and never infinite."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import torch

from models.wav2vec2.ctc import alignable, ctc_loss, reduce_ctc

FRAMES = np.array([30, 20, 30, 2, 8, 9])
LABEL_LENGTHS = np.array([9, 5, 0, 1, 9, 5])


@pytest.fixture
def case() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(1, 12, size=(6, 9))
    labels[5, :5] = 4  # equal neighbours need blanks between them: 5 labels, 9 frames
    return random.normal(size=(6, 30, 12)).astype(np.float32), labels


def loss_and_gradient(logits, labels, blank=0):
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = ctc_loss(logits, FRAMES, labels, LABEL_LENGTHS, blank)
    return losses, tape.gradient(losses, logits)


def torch_loss_and_gradient(logits, labels, blank=0, reduction="none"):
    logits = torch.tensor(logits, requires_grad=True)
    losses = torch.nn.functional.ctc_loss(
        logits.log_softmax(-1).transpose(0, 1),
        torch.tensor(labels),
        torch.tensor(FRAMES),
        torch.tensor(LABEL_LENGTHS),
        blank=blank,
        reduction=reduction,
        zero_infinity=True,
    )
    losses.sum().backward()
    return losses.detach().numpy(), logits.grad.numpy()


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_loss_and_gradient_equal_torch(case, mode):
    logits, labels = case
    call = loss_and_gradient
    if mode != "eager":
        call = tf.function(loss_and_gradient, jit_compile=mode == "xla")

    losses, gradient = call(tf.constant(logits), tf.constant(labels))

    expected_losses, expected_gradient = torch_loss_and_gradient(logits, labels)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, atol=5e-5)


def test_the_blank_may_be_any_token(case):
    logits, labels = case

    losses, gradient = loss_and_gradient(tf.constant(logits), labels - 1, blank=11)

    expected_losses, expected_gradient = torch_loss_and_gradient(logits, labels - 1, blank=11)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, atol=5e-5)


def test_what_lies_in_the_padding_does_not_matter(case):
    logits, labels = case
    plain = ctc_loss(logits, FRAMES, labels, LABEL_LENGTHS)
    filled = labels.copy()
    for row, length in enumerate(LABEL_LENGTHS):
        filled[row, length:] = -100

    np.testing.assert_array_equal(ctc_loss(logits, FRAMES, filled, LABEL_LENGTHS), plain)


def test_a_transcript_longer_than_its_frames_is_told_and_costs_nothing(case):
    logits, labels = case

    losses, gradient = loss_and_gradient(tf.constant(logits), labels)

    possible = alignable(FRAMES, labels, LABEL_LENGTHS).numpy()
    assert possible.tolist() == [True, True, True, True, False, True]
    assert losses[4] == 0 and not gradient[4].numpy().any()
    assert np.isfinite(losses).all() and np.isfinite(gradient).all()


@pytest.mark.parametrize("extreme", [1e4, -1e4])
def test_extreme_logits_keep_the_loss_finite(case, extreme):
    logits, labels = case
    logits[:, :, 3] = extreme

    losses, gradient = loss_and_gradient(tf.constant(logits), labels)

    assert np.isfinite(losses).all() and np.isfinite(gradient).all()


@pytest.mark.parametrize("reduction", ["sum", "mean", "none"])
def test_reductions_are_those_of_torch(case, reduction):
    logits, labels = case

    losses = ctc_loss(logits, FRAMES, labels, LABEL_LENGTHS)

    expected, _ = torch_loss_and_gradient(logits, labels, reduction=reduction)
    np.testing.assert_allclose(reduce_ctc(losses, LABEL_LENGTHS, reduction), expected, rtol=1e-5)


def test_an_utterance_without_frames_or_labels_costs_nothing():
    logits = np.zeros((2, 3, 5), np.float32)

    losses = ctc_loss(logits, [0, 0], np.ones((2, 2), int), [0, 2])

    assert losses.numpy().tolist() == [0.0, 0.0]
