"""Normalisation: the same in a TensorFlow graph as in Python."""

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from models.normalisation import NORMALISATIONS, normalise_batch_of_text, normalise_text

# What the two case mappings agree on: neither lone surrogates nor the few special casings.
TEXTS = st.text(
    st.characters(codec="utf-8", max_codepoint=0x24F, exclude_characters="ßŉİıǰ\x00"), max_size=30
)


@pytest.mark.parametrize(
    ("text", "name", "normalised"),
    [
        ("Twenty-one,  don't!", "librispeech", "TWENTY ONE DON'T"),
        (" A\tB\n", "librispeech", "A B"),
        ("Grüße  an ALLE", "lower", "grüße an alle"),
        ("As it  is.", "none", "As it is."),
        ("123", "librispeech", ""),
    ],
)
def test_transcripts_are_normalised_by_name(text, name, normalised):
    assert normalise_text(text, name) == normalised


@pytest.mark.parametrize("name", NORMALISATIONS)
@given(text=TEXTS)
def test_the_graph_says_what_python_says(name, text):
    in_graph = normalise_batch_of_text(tf.constant([text]), name)[0].numpy().decode("utf-8")
    assert in_graph == normalise_text(text, name)


@pytest.mark.parametrize("name", NORMALISATIONS)
@given(text=TEXTS)
def test_normalising_twice_changes_nothing_more(name, text):
    once = normalise_text(text, name)
    assert normalise_text(once, name) == once
