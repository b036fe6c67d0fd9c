"""The diff of an utterance: its alignment with the words put back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.release_gate.report.diff import pieces_of
from models.errors import BadInputError
from models.word_errors import align_words

TEXTS = st.lists(st.sampled_from(["A", "B", "<b>", "É", "לא"]), max_size=12).map(" ".join)


def test_a_substitution_pairs_word_with_word():
    pieces = pieces_of("CSDI", "A B C", "A X Y")
    assert [(piece.step, piece.said, piece.heard) for piece in pieces] == [
        ("C", "A", "A"),
        ("S", "B", "X"),
        ("D", "C", ""),
        ("I", "", "Y"),
    ]


@given(TEXTS, TEXTS)
def test_the_pieces_rebuild_both_texts(reference, hypothesis):
    pieces = pieces_of(align_words(reference, hypothesis), reference, hypothesis)
    assert " ".join(piece.said for piece in pieces if piece.said) == reference
    assert " ".join(piece.heard for piece in pieces if piece.heard) == hypothesis


@given(TEXTS, TEXTS)
def test_a_piece_is_correct_just_where_both_words_are_the_same(reference, hypothesis):
    for piece in pieces_of(align_words(reference, hypothesis), reference, hypothesis):
        assert (piece.step == "C") == (piece.said == piece.heard)


@pytest.mark.parametrize("alignment", ["C", "CCC", "CD", "CI", ""])
def test_an_alignment_of_other_texts_is_refused(alignment):
    with pytest.raises(BadInputError, match="does not fit 'A B' and 'A C'; run the evaluation"):
        pieces_of(alignment, "A B", "A C")
