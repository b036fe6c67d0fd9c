"""Models of published sizes give the reference's logits and files, and load in little memory."""

from __future__ import annotations

import gc
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers

from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC
from models.wav2vec2.comparison import compare_layers

LARGE_STABLE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "do_stable_layer_norm": True,
}
SIZES = {"base": {}, "large": LARGE_STABLE}
SAMPLES, SHORTER = 48_000, 33_333


@pytest.fixture(scope="module", params=sorted(SIZES))
def pair(request, reference_of):
    """Ours and the reference's, with the same weights."""
    model = Wav2Vec2ForCTC(Wav2Vec2Config(**SIZES[request.param]))
    yield model, reference_of(model)
    gc.collect()  # a large one takes 1.3 GB on either side


@pytest.fixture(scope="module")
def speechlike() -> np.ndarray:
    """Noise of unit variance, as normalised audio is."""
    return np.random.default_rng(0).normal(size=(2, SAMPLES)).astype(np.float32)


def reference_logits(reference, waveforms, mask=None) -> np.ndarray:
    with torch.no_grad():
        return reference(torch.tensor(waveforms), attention_mask=mask).logits.numpy()


@pytest.mark.parametrize("how", ["eager", "graph", "xla"])
def test_logits_equal_the_reference(pair, speechlike, how):
    model, reference = pair
    call = model if how == "eager" else tf.function(model, jit_compile=how == "xla")

    logits = call(tf.constant(speechlike)).numpy()

    expected = reference_logits(reference, speechlike)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)


def test_padded_logits_equal_those_alone_and_the_masked_reference(pair, speechlike):
    model, reference = pair
    batch = speechlike.copy()
    batch[1, SHORTER:] = 0.0
    frames = model.frame_lengths(SHORTER)

    logits = model(batch, lengths=[SAMPLES, SHORTER]).numpy()

    alone = reference_logits(reference, batch[1:, :SHORTER])
    np.testing.assert_allclose(logits[1:, :frames], alone, rtol=0, atol=1e-4)
    if model.config.feat_extract_norm == "layer":  # with "group" the reference mixes padding in
        mask = torch.arange(SAMPLES)[None] < torch.tensor([SAMPLES, SHORTER])[:, None]
        expected = reference_logits(reference, batch, mask)
        np.testing.assert_allclose(logits[1, :frames], expected[1, :frames], rtol=0, atol=1e-4)
        np.testing.assert_allclose(logits[0], expected[0], rtol=0, atol=1e-4)


def test_no_layer_differs_from_the_reference(pair, speechlike):
    comparison = compare_layers(*pair, speechlike[:1, :16_000], tolerance=1e-4)

    assert comparison.first_that_differs is None, str(comparison)


def test_what_is_saved_loads_in_transformers_with_equal_logits(pair, speechlike, tmp_path):
    model, reference = pair
    model.save_pretrained(tmp_path)

    again, info = transformers.Wav2Vec2ForCTC.from_pretrained(tmp_path, output_loading_info=True)

    assert not any(info.values())
    short = speechlike[:1, :16_000]
    np.testing.assert_array_equal(
        reference_logits(again.eval(), short), reference_logits(reference, short)
    )


@pytest.mark.slow
def test_loading_a_large_checkpoint_takes_little_more_than_its_size(tmp_path):
    Wav2Vec2ForCTC(Wav2Vec2Config(**LARGE_STABLE), seed=0).save_pretrained(tmp_path)

    command = [sys.executable, "-m", "benchmarks.loading", "ours", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert float(done.stdout) <= 1.3
