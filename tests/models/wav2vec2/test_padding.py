"""What an utterance is padded with, and beside what, changes neither logits, text nor gradient."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.vocabulary import Vocabulary
from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC
from models.wav2vec2.ctc import ctc_loss
from tests.models.wav2vec2.conftest import STYLES, TINY

SHORTEST, LONGEST = 1_600, 246_000
LETTERS = Vocabulary.of_characters("ABCDEFG")
lengths_of_a_batch = st.lists(st.integers(SHORTEST, LONGEST), min_size=1, max_size=3)
few_examples = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module", params=sorted(STYLES))
def model(request, reference_of) -> Wav2Vec2ForCTC:
    """The convolutions of the published models, 20 ms to a frame, with few channels."""
    geometry = {key: TINY[key] for key in TINY if not key.startswith("conv")}
    config = Wav2Vec2Config(**geometry, **STYLES[request.param], conv_dim=(8,) * 7)
    model = Wav2Vec2ForCTC(config)
    reference_of(model)
    return model


@pytest.fixture(scope="module")
def logits_of(model):
    """The model in a graph of one trace, as it serves."""

    @tf.function(input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([None], tf.int32)])
    def call(waveforms, lengths):
        return model(waveforms, lengths)

    @tf.function(input_signature=[tf.TensorSpec([None, None])])
    def call_unpadded(waveforms):
        return model(waveforms)

    return lambda waveforms, lengths=None: (
        call_unpadded(waveforms) if lengths is None else call(waveforms, lengths)
    ).numpy()


def utterances(lengths, seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    loudness = random.uniform(0.01, 3, size=len(lengths))
    return [
        (scale * random.normal(size=length)).astype(np.float32)
        for scale, length in zip(loudness, lengths, strict=True)
    ]


def batch_of(waveforms, size: int, filler: float = 0.0) -> np.ndarray:
    batch = np.full((len(waveforms), size), filler, np.float32)
    for row, waveform in enumerate(waveforms):
        batch[row, : len(waveform)] = waveform
    return batch


@few_examples
@given(
    lengths=lengths_of_a_batch,
    room=st.sampled_from([0, 1, 319, 50_000, LONGEST]),
    filler=st.sampled_from([0.0, 100.0]),
    seed=st.integers(0, 1000),
)
def test_logits_and_text_of_an_utterance_are_those_it_has_alone(
    model, logits_of, lengths, room, filler, seed
):
    waveforms = utterances(lengths, seed)
    batch = batch_of(waveforms, min(max(lengths) + room, LONGEST), filler)

    together = logits_of(batch, np.array(lengths, np.int32))

    for row, waveform in enumerate(waveforms):
        alone = logits_of(waveform[None])[0]
        padded = together[row, : model.frame_lengths(len(waveform))]
        np.testing.assert_allclose(padded, alone, atol=1e-4)
        text = LETTERS.decode(padded.argmax(-1))
        assert text == LETTERS.decode(alone.argmax(-1)) != ""


def test_gradients_of_a_padded_batch_are_the_sum_of_those_alone(model):
    lengths = [SHORTEST, 54_321, LONGEST // 2]
    waveforms = utterances(lengths, seed=7)
    labels = np.random.default_rng(0).integers(1, 12, size=(len(lengths), 3), dtype=np.int32)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None]),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, 3], tf.int32),
        ]
    )
    def gradients(batch, lengths, labels):
        with tf.GradientTape() as tape:
            frames = model.frame_lengths(lengths)
            counts = tf.fill(tf.shape(frames), 3)
            losses = ctc_loss(model(batch, lengths=lengths), frames, labels, counts)
        return tape.gradient(losses, trained)

    embedding = model.wav2vec2.spec_augment.masked_spec_embed
    trained = [variable for variable in model.trainable_variables if variable is not embedding]

    together = gradients(batch_of(waveforms, LONGEST), lengths, labels)

    alone = [
        gradients(waveform[None], [len(waveform)], labels[row : row + 1])
        for row, waveform in enumerate(waveforms)
    ]
    largest = max(np.abs(gradient).max() for gradient in together)
    for variable, gradient, *parts in zip(trained, together, *alone, strict=True):
        np.testing.assert_allclose(
            gradient, sum(parts), rtol=1e-3, atol=1e-5 * largest, err_msg=variable.path
        )
