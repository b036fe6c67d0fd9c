"""Slices: every utterance falls into exactly one bucket."""

from hypothesis import given
from hypothesis import strategies as st

from components.wer_evaluator.slices import (
    DURATION_BUCKETS,
    WORDS_BUCKETS,
    describe_slice,
    duration_bucket,
    words_bucket,
)


@given(st.floats(0, 1e5))
def test_every_length_has_a_bucket_and_longer_ones_a_later_one(seconds):
    labels = [label for _, label in DURATION_BUCKETS]
    assert labels.index(duration_bucket(seconds)) <= labels.index(duration_bucket(seconds + 1))


@given(st.integers(0, 1000))
def test_every_number_of_words_has_a_bucket(words):
    assert words_bucket(words) in [label for _, label in WORDS_BUCKETS]


def test_labels_say_where_they_end():
    assert duration_bucket(5.0) == "2-5 s" and duration_bucket(5.01) == "5-10 s"
    assert words_bucket(2) == "0-2" and words_bucket(3) == "3-5"


def test_the_whole_has_no_name():
    assert describe_slice({}) == ""
