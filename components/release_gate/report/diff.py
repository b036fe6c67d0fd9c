"""Both texts of an utterance, cut where its alignment says so.

>>> [(piece.said, piece.heard) for piece in pieces_of("CSD", "CALL ANNA NOW", "CALL HANNAH")]
[('CALL', 'CALL'), ('ANNA', 'HANNAH'), ('NOW', '')]
"""

from __future__ import annotations

from typing import NamedTuple

from models.errors import BadInputError
from models.word_errors import DELETED, INSERTED


class Piece(NamedTuple):
    """One step of an alignment: a word said beside the word heard; one of them may be missing."""

    step: str  # C, S, D or I, as in models.word_errors
    said: str
    heard: str


def pieces_of(alignment: str, reference: str, hypothesis: str) -> list[Piece]:
    """The alignment's steps with their words, in order."""
    words, others = reference.split(), hypothesis.split()
    steps = len(alignment)
    if (len(words), len(others)) != (
        steps - alignment.count(INSERTED),
        steps - alignment.count(DELETED),
    ):
        raise BadInputError(
            f"The alignment {alignment!r} does not fit {reference!r} and {hypothesis!r}; "
            "run the evaluation again."
        )
    said, heard = iter(words), iter(others)
    return [
        Piece(
            step,
            "" if step == INSERTED else next(said),
            "" if step == DELETED else next(heard),
        )
        for step in alignment
    ]
