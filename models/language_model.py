"""A word n-gram language model from transcripts: interpolated modified Kneser-Ney, as ARPA text.

The estimate is the one of KenLM's `lmplz` (Heafield et al. 2013, Chen and Goodman 1998).

>>> counts = count_ngrams(["CALL ANNA", "CALL PETER"], order=2)
>>> counts.ngrams["<s>", "CALL"], counts.sentences
(2, 2)
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from models import filesystem
from models.errors import BadInputError

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
# KenLM is built for no more.
LONGEST_ORDER = 6
KENLM_BINARY_MARK = b"mmap lm http://kheafield.com/code"
LANGUAGE_MODEL_FILE = "language_model.arpa"
# Lies beside a KenLM binary, which does not hold its own words: one a line.
UNIGRAMS_FILE = "unigrams.txt"
# What is taken off a count of 0, 1, 2, and 3 or more where a corpus is too small to tell: the
# numbers that lmplz proposes.
FALLBACK_DISCOUNTS = (0.0, 0.5, 1.0, 1.5)

Ngram = tuple[str, ...]


@dataclass
class NgramCounts:
    """How often each n-gram of the highest order was said; counts of parts of a corpus merge.

    A sentence starts with `order - 1` start marks, so the shorter n-grams are all in here.
    """

    order: int
    ngrams: Counter[Ngram] = field(default_factory=Counter)

    def add(self, transcript: str) -> None:
        """Count one sentence; one without words says nothing and is not counted."""
        # Interned: a word is one object in memory however many n-grams hold it. The marks of a
        # model are no words.
        words = [
            sys.intern(word) for word in transcript.split() if word not in (START, END, UNKNOWN)
        ]
        if not words:
            return
        marked = [START] * (self.order - 1) + [*words, END]
        self.ngrams.update(zip(*(marked[shift:] for shift in range(self.order)), strict=False))

    def merge(self, other: NgramCounts) -> None:
        """Take in the counts of another part of the corpus."""
        self.ngrams.update(other.ngrams)

    @property
    def sentences(self) -> int:
        return sum(count for ngram, count in self.ngrams.items() if ngram[-1] == END)

    @property
    def words(self) -> set[str]:
        """Every word that was said."""
        return {ngram[-1] for ngram in self.ngrams} - {END}


def count_ngrams(transcripts: Iterable[str], order: int) -> NgramCounts:
    """The n-grams of normalised transcripts."""
    counts = NgramCounts(order)
    for transcript in transcripts:
        counts.add(transcript)
    return counts


def write_arpa(counts: NgramCounts, path: str | Path) -> None:
    """Estimate a model from the counts and write it; equal counts give equal bytes."""
    if not counts.ngrams:
        raise BadInputError(
            "A language model cannot be trained on transcripts without a word; give it some text."
        )
    filesystem.write_text(path, "".join(f"{line}\n" for line in _arpa_lines(counts)))


def known_words(path: str | Path) -> set[str] | None:
    """The words of a local model file; None for a KenLM binary without its `unigrams.txt`."""
    if not is_kenlm_binary(path):
        return _words_of_arpa(path)
    beside = Path(path).with_name(UNIGRAMS_FILE)
    return set(beside.read_text("utf-8").split()) if beside.exists() else None


def is_kenlm_binary(path: str | Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(KENLM_BINARY_MARK)) == KENLM_BINARY_MARK


def _words_of_arpa(path: str | Path) -> set[str]:
    words = set()
    with open(path, "rb") as file:
        for line in file:
            if line.strip() == rb"\1-grams:":
                break
        for line in file:
            # As bytes: a word of text may hold what Unicode calls a space.
            columns = line.split()
            if line.startswith(b"\\"):
                break
            if len(columns) > 1:
                words.add(columns[1].decode("utf-8"))
    return words - {START, END, UNKNOWN}


class _History(NamedTuple):
    """What followed some words: how much in all, and the share kept for what never did."""

    total: int
    backoff: float


class _Level:
    """The n-grams of one order: adjusted counts, and what smoothing takes off them."""

    def __init__(self, counts: Mapping[Ngram, int]) -> None:
        # Sorted, so that sums of floats are the same however the counts came together.
        self.counts = dict(sorted(counts.items()))
        self._discounts = _discounts(counts.values())

    def histories(self) -> dict[Ngram, _History]:
        """The words that each n-gram's last one was said after."""
        histories = {}
        for history, ngrams in groupby(self.counts, key=lambda ngram: ngram[:-1]):
            counts = [self.counts[ngram] for ngram in ngrams]
            total, kept = sum(counts), sum(map(self._discount, counts))
            histories[history] = _History(total, kept / total)
        return histories

    def probabilities(
        self, histories: Mapping[Ngram, _History], shorter: Mapping[Ngram, float]
    ) -> dict[Ngram, float]:
        """The probability of each n-gram's last word after the others."""
        probabilities = {}
        for ngram, count in self.counts.items():
            total, backoff = histories[ngram[:-1]]
            seen = (count - self._discount(count)) / total
            probabilities[ngram] = seen + backoff * shorter[ngram[1:]]
        return probabilities

    def _discount(self, count: int) -> float:
        return self._discounts[count if count < 3 else 3]


def _arpa_lines(counts: NgramCounts) -> Iterator[str]:
    levels = [_Level(adjusted) for adjusted in _adjusted_counts(counts)]
    # A model of order 1 has an empty list of pairs: KenLM reads nothing below order 2.
    sizes = [len(level.counts) for level in levels] + [0] * (counts.order == 1)
    probabilities: dict[Ngram, float] = {(): 1 / sizes[0]}  # without a history, all alike
    sizes[0] += 1  # the start mark
    yield "\\data\\"
    yield from (f"ngram {length}={size}" for length, size in enumerate(sizes, 1))
    histories = levels[0].histories()
    for length, level in enumerate(levels, 1):
        probabilities = level.probabilities(histories, probabilities)
        histories = levels[length].histories() if length < counts.order else {}
        yield from ("", f"\\{length}-grams:")
        if length == 1:
            # It is never predicted, so its probability says nothing; lmplz writes 0 too.
            yield _arpa_line(0.0, (START,), histories)
        for ngram, probability in probabilities.items():
            yield _arpa_line(math.log10(probability), ngram, histories)
    if counts.order == 1:
        yield from ("", "\\2-grams:")
    yield from ("", "\\end\\")


def _arpa_line(log_probability: float, ngram: Ngram, longer: Mapping[Ngram, _History]) -> str:
    """One n-gram, with its backoff weight where it is the history of longer ones."""
    line = f"{log_probability:.7g}\t{' '.join(ngram)}"
    return f"{line}\t{math.log10(longer[ngram].backoff):.7g}" if ngram in longer else line


def _adjusted_counts(counts: NgramCounts) -> list[Counter[Ngram]]:
    """The counts of each order, shortest first.

    Below the highest order an n-gram counts the different words seen before it, and only at the
    start of a sentence, where nothing can stand before it, how often it was said.
    """
    adjusted: list[Counter[Ngram]] = [Counter() for _ in range(counts.order)]
    for ngram, count in counts.ngrams.items():
        said = ngram[max(ngram.count(START) - 1, 0) :]
        adjusted[len(said) - 1][said] = count
    for longer, shorter in pairwise(reversed(adjusted)):
        shorter.update(ngram[1:] for ngram in longer)
    adjusted[0][UNKNOWN,] = 0
    return adjusted


def _discounts(counts: Iterable[int]) -> tuple[float, ...]:
    """What to take off a count of 0, 1, 2, and 3 or more, from how many n-grams have each."""
    once, twice, thrice, four_times = map(Counter(counts).__getitem__, (1, 2, 3, 4))
    if not (once and twice and thrice):
        return FALLBACK_DISCOUNTS
    share = once / (once + 2 * twice)
    discounts = (
        1 - 2 * share * twice / once,
        2 - 3 * share * thrice / twice,
        3 - 4 * share * four_times / thrice,
    )
    sound = all(0 < discount <= most for most, discount in enumerate(discounts, 1))
    return (0.0, *discounts) if sound else FALLBACK_DISCOUNTS
