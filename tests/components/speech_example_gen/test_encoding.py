"""An utterance's file becomes a speech example, or a reason; the worker never dies."""

import dataclasses

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.speech_example_gen.encoding import encode
from components.speech_example_gen.sources import Quarantined, Utterance
from schemas import speech_example as names

TONE = (0.3 * np.sin(np.arange(8000) / 5)).astype(np.float32)


@pytest.fixture
def utterance(tmp_path):
    path = tmp_path / "1-2-0000.flac"
    soundfile.write(path, TONE, 16_000, subtype="PCM_16")
    return Utterance(
        id="1-2-0000",
        speaker="1",
        chapter="2",
        corpus="librispeech",
        subset="dev-clean",
        language="en",
        gender="F",
        transcript="HELLO",
        audio_path=str(path),
    )


def features(example: bytes):
    return tf.train.Example.FromString(example).features.feature


def test_flac_goes_in_and_the_same_pcm_comes_out(utterance):
    read = features(encode(utterance))
    pcm = np.frombuffer(read[names.AUDIO].bytes_list.value[0], "<i2")
    np.testing.assert_array_equal(pcm, soundfile.read(utterance.audio_path, dtype="int16")[0])
    assert read[names.NUM_SAMPLES].int64_list.value[0] == len(TONE)
    assert read[names.TRANSCRIPT].bytes_list.value[0] == b"HELLO"
    assert set(read) == {*names.BYTES_FEATURES, *names.INT_FEATURES}


def test_other_sample_rates_and_channels_become_16_khz_mono(utterance):
    stereo = np.stack([np.repeat(TONE, 3), np.repeat(TONE, 3)], axis=1)
    soundfile.write(utterance.audio_path, stereo, 48_000)
    samples = features(encode(utterance))[names.NUM_SAMPLES].int64_list.value[0]
    assert samples == len(TONE)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (TONE[:399], "too short for one frame"),
        (np.zeros(8000, np.float32), "silent audio"),
        (np.tile(TONE, 241), "longer than two minutes"),
    ],
)
def test_audio_that_no_model_can_learn_from_is_set_aside(utterance, samples, reason):
    soundfile.write(utterance.audio_path, samples, 16_000, subtype="PCM_16")
    assert encode(utterance).reason == reason


def test_numbers_that_are_none_are_set_aside(utterance, tmp_path):
    path = str(tmp_path / "nan.wav")
    soundfile.write(path, np.full(8000, np.nan, np.float32), 16_000, subtype="FLOAT")
    found = encode(dataclasses.replace(utterance, audio_path=path))
    assert found.reason == "audio holds values that are not numbers"


def test_an_empty_transcript_or_a_missing_file_is_set_aside(utterance):
    assert encode(dataclasses.replace(utterance, transcript="")).reason == "empty transcript"
    missing = dataclasses.replace(utterance, audio_path=utterance.audio_path + "x")
    assert encode(missing).reason == "unreadable audio"


@given(damage=st.binary(min_size=1, max_size=64), place=st.integers(0, 10_000))
def test_any_damage_to_the_file_gives_an_example_or_a_reason(tmp_path_factory, damage, place):
    path = tmp_path_factory.mktemp("damage") / "a.flac"
    soundfile.write(path, TONE, 16_000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[place % len(content) :][: len(damage)] = damage
    path.write_bytes(bytes(content[: place % len(content)]) + damage)
    fields = dict.fromkeys(("speaker", "chapter", "corpus", "subset", "language", "gender"), "x")
    found = encode(Utterance(id="a", transcript="A", audio_path=str(path), **fields))
    assert isinstance(found, bytes) or (isinstance(found, Quarantined) and found.reason)
