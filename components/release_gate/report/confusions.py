"""Which words a model confuses, misses and invents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.release_gate.report.diff import pieces_of
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
    pairs: dict[str, Counter[tuple[str, str]]] = {
        step: Counter() for step in (CORRECT, SUBSTITUTED, DELETED, INSERTED)
    }
    for row in zip(wrong.alignment, wrong.reference, wrong.hypothesis, strict=True):
        for piece in pieces_of(*row):
            pairs[piece.step][piece.said, piece.heard] += 1
    said, heard = _word_counts(scored.reference), _word_counts(scored.hypothesis)
    return Confusions(
        substituted=_most(pairs[SUBSTITUTED], said),
        missed=_most(pairs[DELETED], said),
        inserted=_most(pairs[INSERTED], heard),
    )


def _word_counts(texts: Iterable[str]) -> Counter[str]:
    return Counter(word for text in texts for word in text.split())


def _most(pairs: Counter[tuple[str, str]], occasions: Counter[str]) -> tuple[Confusion, ...]:
    """The most frequent pairs; of equal ones the first by name, so that a page is reproducible."""
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        Confusion(said, heard, count, occasions[said or heard])
        for (said, heard), count in ordered[:WORDS_SHOWN]
    )
