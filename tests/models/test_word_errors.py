"""Word errors: the counts are those of a cheapest alignment, and they add up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.word_errors import (
    ErrorCounts,
    count_character_errors,
    count_word_errors,
    word_error_rate,
)

SENTENCES = st.lists(st.sampled_from(["A", "B", "C", "É", "नम"]), max_size=7).map(" ".join)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [
        ("CALL ANNA", "CALL ANNA", ErrorCounts(0, 0, 0, 2)),
        ("CALL ANNA", "CALL HANNAH", ErrorCounts(1, 0, 0, 2)),
        ("CALL MY MOTHER", "CALL MOTHER", ErrorCounts(0, 1, 0, 3)),
        ("CALL ANNA", "CALL TO ANNA", ErrorCounts(0, 0, 1, 2)),
        ("CALL ANNA", "", ErrorCounts(0, 2, 0, 2)),
        ("", "CALL", ErrorCounts(0, 0, 1, 0)),
        ("", "", ErrorCounts(0, 0, 0, 0)),
    ],
)
def test_each_kind_of_error_is_counted(reference, hypothesis, counts):
    assert count_word_errors(reference, hypothesis) == counts


def cheapest_alignment(reference: list[str], hypothesis: list[str]) -> int:
    """The textbook's table, for comparison."""
    row = list(range(len(hypothesis) + 1))
    for number, word in enumerate(reference, 1):
        above, row = row, [number]
        for column, heard in enumerate(hypothesis, 1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (word != heard)))
    return row[-1]


@given(SENTENCES, SENTENCES)
def test_the_errors_are_the_textbooks_edit_distance(reference, hypothesis):
    counts = count_word_errors(reference, hypothesis)
    assert counts.errors == cheapest_alignment(reference.split(), hypothesis.split())
    assert counts.length == len(reference.split())
    assert counts.insertions - counts.deletions == len(hypothesis.split()) - counts.length


@given(SENTENCES, SENTENCES)
def test_characters_are_counted_the_same_way(reference, hypothesis):
    counts = count_character_errors(reference, hypothesis)
    assert counts.errors == cheapest_alignment(list(reference), list(hypothesis))


@given(st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=5))
def test_a_corpus_weighs_words_not_utterances(pairs):
    total = sum((count_word_errors(*pair) for pair in pairs), start=ErrorCounts())
    rate = word_error_rate(*zip(*pairs, strict=True))
    if total.length:
        assert rate == total.errors / total.length
    else:
        assert math.isnan(rate)
