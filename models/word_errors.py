"""Word and character errors of hypotheses against references, as counts that add up.

Words are aligned as NIST's sclite aligns them: an insertion or a deletion costs 3, a substitution
4, and of equal ways the first of (match, insertion, deletion) is taken. On hypotheses that have
little in common with their reference this gives a few errors more than the plain edit distance;
reports of the field are made with it.

>>> counts = count_word_errors("CALL MY MOTHER", "CALL MOTHER NOW")
>>> counts.deletions, counts.insertions, round(counts.rate, 3)
(1, 1, 0.667)
>>> align_words("CALL MY MOTHER", "CALL MOTHER NOW")
'CDCI'
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

INSERTION_COST, DELETION_COST, SUBSTITUTION_COST = 3, 3, 4
# One letter a step of an alignment.
CORRECT, SUBSTITUTED, DELETED, INSERTED = "C", "S", "D", "I"


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
    """The errors of one utterance, as sclite counts them."""
    words, heard = reference.split(), hypothesis.split()
    if words == heard:
        return ErrorCounts(length=len(words))
    fewest = Levenshtein.distance(words, heard)
    cost = Levenshtein.distance(
        words, heard, weights=(INSERTION_COST, DELETION_COST, SUBSTITUTION_COST)
    )
    # Were every cheapest alignment one with fewest errors, cost = 3 errors + substitutions. Only
    # from three substitutions on can four gaps be as cheap: then the order of choice decides.
    substitutions = cost - INSERTION_COST * fewest
    if substitutions >= 3:
        return counts_of_alignment(_align(words, heard))
    missing = len(words) - len(heard)  # deletions - insertions
    deletions = (fewest - substitutions + missing) // 2
    return ErrorCounts(substitutions, deletions, deletions - missing, len(words))


def align_words(reference: str, hypothesis: str) -> str:
    """The alignment of one utterance, a letter a step: C, S, D or I."""
    return _align(reference.split(), hypothesis.split())


def counts_of_alignment(alignment: str) -> ErrorCounts:
    """The counts that an alignment's letters stand for."""
    insertions = alignment.count(INSERTED)
    return ErrorCounts(
        alignment.count(SUBSTITUTED),
        alignment.count(DELETED),
        insertions,
        len(alignment) - insertions,
    )


def count_character_errors(reference: str, hypothesis: str) -> int:
    """The plain edit distance over characters, spaces between words included."""
    return Levenshtein.distance(reference, hypothesis)


def word_error_rate(references: Iterable[str], hypotheses: Iterable[str]) -> float:
    """The corpus's word error rate: all errors over all reference words."""
    pairs = zip(references, hypotheses, strict=True)
    return sum((count_word_errors(*pair) for pair in pairs), start=ErrorCounts()).rate


def _align(words: Sequence[str], heard: Sequence[str]) -> str:
    if words == heard:
        return CORRECT * len(words)
    costs = _cheapest_costs(words, heard)
    steps = []
    row, column = len(words), len(heard)
    while row or column:
        step = _last_step(costs, words, heard, row, column)
        steps.append(step)
        row -= step != INSERTED
        column -= step != DELETED
    return "".join(reversed(steps))


def _cheapest_costs(words: Sequence[str], heard: Sequence[str]) -> list[list[int]]:
    """The cost of aligning the first so many words with the first so many heard."""
    costs = [[INSERTION_COST * column for column in range(len(heard) + 1)]]
    for number, word in enumerate(words, 1):
        above, row = costs[-1], [DELETION_COST * number]
        left = row[0]
        for column, other in enumerate(heard, 1):
            best = above[column - 1] + (0 if word == other else SUBSTITUTION_COST)
            best = min(best, left + INSERTION_COST, above[column] + DELETION_COST)
            row.append(best)
            left = best
        costs.append(row)
    return costs


def _last_step(
    costs: list[list[int]], words: Sequence[str], heard: Sequence[str], row: int, column: int
) -> str:
    """The last step of the cheapest alignment of so many words: of equal ones the first here."""
    cost = costs[row][column]
    if row and column:
        same = words[row - 1] == heard[column - 1]
        if cost == costs[row - 1][column - 1] + (0 if same else SUBSTITUTION_COST):
            return CORRECT if same else SUBSTITUTED
    if column and cost == costs[row][column - 1] + INSERTION_COST:
        return INSERTED
    return DELETED
