"""Gradients of the CTC loss are the reference's, for every parameter, however they are run."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import torch

from models.wav2vec2 import Wav2Vec2ForCTC
from models.wav2vec2.ctc import ctc_loss, reduce_ctc
from models.wav2vec2.tensor_names import named_tensors

LENGTHS = [4000, 2503]
LABELS = np.array([[1, 2, 2, 3, 11], [4, 5, 6, -100, -100]])
LABEL_LENGTHS = [5, 3]


def our_loss_and_gradients(model, waveforms, lengths, jit_compile):
    variables = {tensor.key: tensor.variable for tensor in named_tensors(model)}

    @tf.function(jit_compile=jit_compile)
    def run(waveforms, labels):
        with tf.GradientTape() as tape:
            logits = model(waveforms, lengths=lengths)
            frames = model.frame_lengths(np.array(lengths or [waveforms.shape[1]] * 2))
            losses = ctc_loss(logits, frames, labels, LABEL_LENGTHS)
            loss = reduce_ctc(losses, LABEL_LENGTHS, model.config.ctc_loss_reduction)
        return loss, tape.gradient(loss, variables)

    loss, gradients = run(tf.constant(waveforms), tf.constant(LABELS))
    return loss.numpy(), {
        # As in a checkpoint: the axes reversed.
        key: np.transpose(gradient)
        for key, gradient in gradients.items()
        if gradient is not None
    }


def reference_loss_and_gradients(reference, waveforms, lengths):
    mask = None
    if lengths is not None:
        mask = torch.arange(waveforms.shape[1])[None] < torch.tensor(lengths)[:, None]
    loss = reference(torch.tensor(waveforms), attention_mask=mask, labels=torch.tensor(LABELS)).loss
    loss.backward()
    return loss.detach().numpy(), {
        name: parameter.grad.numpy()
        for name, parameter in reference.named_parameters()
        if parameter.grad is not None
    }


@pytest.mark.parametrize(
    ("style", "lengths", "jit_compile", "reduction"),
    [("base", None, True, "mean"), ("stable", LENGTHS, False, "sum")],
    ids=["base compiled", "stable padded"],
)
def test_every_gradient_equals_that_of_the_reference(
    tiny_config, reference_of, waveforms, style, lengths, jit_compile, reduction
):
    config = tiny_config(style, ctc_loss_reduction=reduction)
    model = Wav2Vec2ForCTC(config)
    reference = reference_of(model)
    waveforms[1, 2503:] = 0.0

    loss, gradients = our_loss_and_gradients(model, waveforms, lengths, jit_compile)

    expected_loss, expected = reference_loss_and_gradients(reference, waveforms, lengths)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    # The vector of masked frames takes no part without masking.
    assert (
        set(gradients)
        == set(expected)
        == set(reference.state_dict()) - {"wav2vec2.masked_spec_embed"}
    )
    largest = max(np.abs(gradient).max() for gradient in expected.values())
    for key, gradient in gradients.items():
        scale = np.abs(expected[key]).max()
        if key.endswith("k_proj.bias"):
            # It shifts all scores of a row alike, which softmax does not see: rounding is left.
            assert max(scale, np.abs(gradient).max()) < 1e-5 * largest
        else:
            np.testing.assert_allclose(gradient, expected[key], atol=1e-3 * scale, err_msg=key)
