"""Which words a model confuses, misses and invents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.release_gate.report.diff import Piece, pieces_of
from models.word_errors import CORRECT, DELETED, INSERTED, SUBSTITUTED

if TYPE_CHECKING:
    import pandas as pd

WORDS_SHOWN = 15


@dataclass(frozen=True)
class Confusion:
    """A word said and the word heard for it, how often, and of how many times."""

    said: str  # empty where the word heard was not said
    heard: str  # empty where the word said was not heard
    count: int
    occasions: int  # how often `said` was said; of an inserted word, how often it was heard


@dataclass(frozen=True)
class Confusions:
    """The most frequent of each kind, the worst first."""

    substituted: tuple[Confusion, ...] = ()
    missed: tuple[Confusion, ...] = ()
    inserted: tuple[Confusion, ...] = ()


def count_confusions(scored: pd.DataFrame) -> Confusions:
    """The words that the rows' alignments got wrong most often."""
    wrong = scored[scored.alignment.str.strip(CORRECT) != ""]
    rows = zip(wrong.alignment, wrong.reference, wrong.hypothesis, strict=True)
    pieces = Counter(piece for row in rows for piece in pieces_of(*row))
    said, heard = _word_counts(scored.reference), _word_counts(scored.hypothesis)
    return Confusions(
        substituted=_most(pieces, SUBSTITUTED, said),
        missed=_most(pieces, DELETED, said),
        inserted=_most(pieces, INSERTED, heard),
    )


def _word_counts(texts: Iterable[str]) -> Counter[str]:
    return Counter(word for text in texts for word in text.split())


def _most(pieces: Counter[Piece], step: str, occasions: Counter[str]) -> tuple[Confusion, ...]:
    """The most frequent of a kind; of equal ones the first by name, so that none is by chance."""
    of_kind = [(piece, count) for piece, count in pieces.items() if piece.step == step]
    ordered = sorted(of_kind, key=lambda found: (-found[1], found[0]))
    return tuple(
        Confusion(piece.said, piece.heard, count, occasions[piece.said or piece.heard])
        for piece, count in ordered[:WORDS_SHOWN]
    )
