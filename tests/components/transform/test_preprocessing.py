"""The Transform graph's parts: audio bytes to waveforms, transcripts to labels."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.transform import preprocessing
from models.audio import pcm16_to_float
from models.vocabulary import Vocabulary

UTTERANCES = st.lists(st.lists(st.integers(-32768, 32767), max_size=6), min_size=1, max_size=4)
# Characters inside and outside the alphabets below, of one to four bytes.
WORDS = st.text("abAZ'|<>ßé字🎈", min_size=1, max_size=5)
TEXTS = st.lists(st.lists(WORDS, max_size=3).map(" ".join), min_size=1, max_size=3)


def labels(transcripts: list[str], vocabulary: Vocabulary) -> list[list[int]]:
    return preprocessing._labels(tf.constant(transcripts), "checkpoint", vocabulary).to_list()


@settings(deadline=None)
@given(UTTERANCES)
def test_a_batch_of_pcm16_decodes_to_each_utterance_bit_for_bit(utterances):
    encoded = [np.array(samples, "<i2").tobytes() for samples in utterances]
    decoded = preprocessing.decode_pcm16(tf.constant(encoded))
    assert decoded.to_list() == [pcm16_to_float(pcm).tolist() for pcm in encoded]


@settings(deadline=None)
@given(TEXTS, st.text("abé字|", max_size=5))
def test_labels_are_what_the_vocabulary_encodes(transcripts, characters):
    vocabulary = Vocabulary.of_characters(characters)
    assert labels(transcripts, vocabulary) == [vocabulary.encode(text) for text in transcripts]


@pytest.mark.parametrize(
    "vocabulary",
    [
        Vocabulary(("<pad>", "<s>", "</s>", "<unk>", " ", "a", "b"), delimiter=" "),
        Vocabulary(("|", "a", "b", "[UNK]", "[PAD]"), blank=4, unknown=3),
        Vocabulary(("<pad>", "|", "b", "a"), unknown=None),
    ],
    ids=["space as delimiter", "blank at the end", "no unknown token"],
)
def test_labels_follow_alphabets_of_other_forms(vocabulary):
    transcripts = ["ab ba", "a?b", ""]
    assert labels(transcripts, vocabulary) == [vocabulary.encode(text) for text in transcripts]
