"""The SavedModel serves raw audio to text, exactly as the Keras model would."""

import numpy as np
import pytest
import tensorflow as tf

from models.audio import float_to_pcm16, pad_batch
from models.export.saved_model import ServingModule, export_saved_model
from models.recognisers import open_recogniser
from models.recognisers.keras_model import KerasRecogniser
from schemas import speech_example as names


@pytest.fixture(scope="module")
def served(exported):
    return open_recogniser(exported / "Format-Serving")


@pytest.fixture(scope="module")
def signatures(exported):
    loaded = tf.saved_model.load(str(exported / "Format-Serving"))
    return loaded.signatures


def log_probs_of(recogniser, waveforms, samples=None, **options) -> list[np.ndarray]:
    batch = pad_batch(waveforms, samples)
    return [found.log_probs for found in recogniser.recognise(**batch, **options)]


def assert_all_close(some, others, atol=1e-4):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one, other, atol=atol)


def audio_example(waveform: np.ndarray) -> bytes:
    """What a client sends: a speech example of nothing but audio."""
    pcm = tf.train.BytesList(value=[float_to_pcm16(waveform)])
    feature = {names.AUDIO: tf.train.Feature(bytes_list=pcm)}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.mark.parametrize("mask", ["full", "not_in_norm", "none"])
def test_it_hears_what_the_keras_model_hears(served, module, waveforms, mask):
    keras_model = KerasRecogniser(module)
    expected = keras_model.recognise(**pad_batch(waveforms), mask=mask)
    found = served.recognise(**pad_batch(waveforms), mask=mask)
    assert [one.text for one in found] == [one.text for one in expected]
    assert any(one.text for one in found)
    assert_all_close([one.log_probs for one in found], [one.log_probs for one in expected])


def test_any_batch_and_any_padding_give_each_utterance_the_same(served, waveforms):
    alone = [log_probs_of(served, [waveform])[0] for waveform in waveforms]
    assert_all_close(log_probs_of(served, waveforms), alone)
    assert_all_close(log_probs_of(served, waveforms[:2], samples=30_000), alone[:2])
    assert [len(one) for one in alone] == [49, 21, 38]


def test_without_mask_padding_is_heard_and_changes_what_is_said_about_the_audio(served, waveforms):
    padded = log_probs_of(served, waveforms[1:2], samples=16_000, mask="none")[0]
    masked = log_probs_of(served, waveforms[1:2], samples=16_000)[0]
    assert len(padded) == 49 > len(masked)
    assert np.abs(padded[: len(masked)] - masked).max() > 0.01
    # Without padding there is nothing to mask.
    assert_all_close(
        log_probs_of(served, waveforms[:1], mask="none"), log_probs_of(served, waveforms[:1])
    )


def test_log_probs_are_a_distribution_that_depends_on_the_audio(served, waveforms):
    for log_probs in log_probs_of(served, waveforms):
        np.testing.assert_allclose(np.exp(log_probs).sum(axis=-1), 1, atol=1e-5)
        assert log_probs.std(axis=0).max() > 0.05


def test_text_and_token_ids_are_the_greedy_reading_of_the_log_probs(signatures, module, waveforms):
    batch = {name: tf.constant(value) for name, value in pad_batch(waveforms).items()}
    outputs = signatures["serving_default"](**batch)
    vocabulary = module.processor.vocabulary
    rows = (outputs[name].numpy() for name in ("log_probs", "frame_lengths", "token_ids", "text"))
    for log_probs, frames, token_ids, text in zip(*rows, strict=True):
        assert text.decode() == vocabulary.decode(log_probs[:frames].argmax(axis=-1))
        assert text.decode() == vocabulary.spell([index for index in token_ids if index >= 0])
        assert (token_ids[frames:] == -1).all()


def test_serialized_examples_are_heard_like_their_waveforms(signatures, waveforms):
    examples = tf.constant([audio_example(waveform) for waveform in waveforms])
    by_example = signatures["examples"](examples=examples)
    batch = {name: tf.constant(value) for name, value in pad_batch(waveforms).items()}
    by_waveform = signatures["serving_default"](**batch)
    assert by_example.keys() == by_waveform.keys()
    assert by_example["text"].numpy().tolist() == by_waveform["text"].numpy().tolist()
    for log_probs, expected, frames in zip(
        by_example["log_probs"], by_waveform["log_probs"], by_waveform["frame_lengths"], strict=True
    ):
        np.testing.assert_allclose(log_probs[:frames], expected[:frames], atol=1e-4)


def test_loudness_and_offset_of_the_input_do_not_matter(served, waveforms):
    louder = [3 * waveform + 0.2 for waveform in waveforms]
    assert_all_close(log_probs_of(served, louder), log_probs_of(served, waveforms), atol=1e-3)


def test_without_transform_graph_there_is_no_signature_for_examples(module, tmp_path):
    export_saved_model(ServingModule(module.model, module.processor), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    assert set(loaded.signatures) == {"serving_default", "unmasked", "unmasked_norm"}


def test_padding_in_the_norm_alone_is_a_cause_of_its_own(served, waveforms):
    batch = {"waveforms": waveforms[1:2], "samples": 16_000}
    masked, in_norm, unmasked = (
        log_probs_of(served, **batch, mask=mask)[0] for mask in ("full", "not_in_norm", "none")
    )
    assert len(in_norm) == len(masked)
    assert np.abs(in_norm - masked).max() > 0.01
    assert np.abs(in_norm - unmasked[: len(in_norm)]).max() > 0.001


def test_it_carries_its_own_vocabulary(served, module):
    assert served.vocabulary == module.processor.vocabulary
