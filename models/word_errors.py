"""Word and character errors of hypotheses against references, as counts that add up.

>>> counts = count_word_errors("CALL MY MOTHER", "CALL MOTHER NOW")
>>> counts.deletions, counts.insertions, round(counts.rate, 3)
(1, 1, 0.667)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import jiwer


@dataclass(frozen=True)
class ErrorCounts:
    """What an alignment costs; the counts of a corpus are the sum of its utterances'."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    length: int = 0  # of the references

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.length + other.length,
        )

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors for each unit of the reference; not a number where there is no reference."""
        return self.errors / self.length if self.length else math.nan


def count_word_errors(reference: str, hypothesis: str) -> ErrorCounts:
    """The cheapest alignment of the words of one utterance."""
    return _counts(jiwer.process_words(reference, hypothesis))


def count_character_errors(reference: str, hypothesis: str) -> ErrorCounts:
    """The same over characters, spaces between words included."""
    return _counts(jiwer.process_characters(reference, hypothesis))


def word_error_rate(references: Iterable[str], hypotheses: Iterable[str]) -> float:
    """The corpus's word error rate: all errors over all reference words."""
    pairs = zip(references, hypotheses, strict=True)
    return sum((count_word_errors(*pair) for pair in pairs), start=ErrorCounts()).rate


def _counts(output: jiwer.WordOutput | jiwer.CharacterOutput) -> ErrorCounts:
    return ErrorCounts(
        output.substitutions,
        output.deletions,
        output.insertions,
        output.hits + output.substitutions + output.deletions,
    )
