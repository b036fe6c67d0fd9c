"""Is the candidate worse than the baseline? Two paired tests on the utterances that both heard.

`pairs` is a table with a row for each utterance: its speaker, its words, and for both models the
word errors and the alignment they come from (`errors`, `errors_baseline`, `alignment`,
`alignment_baseline`; letters as in `models.word_errors`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from components.release_gate.config import RegressionTest
from models.word_errors import CORRECT, INSERTED

if TYPE_CHECKING:
    import pandas as pd

# With fewer speakers than this their spread says nothing, and utterances are drawn.
FEWEST_SPEAKERS = 8
DRAWN_TOGETHER = 1_000_000
END = "\n"  # of an utterance, among the letters of an alignment


@dataclass(frozen=True)
class Comparison:
    """What one test says: by how much WER the candidate is worse, and how surely."""

    difference: float  # of the WER, candidate less baseline
    confidence_worse: float
    method: RegressionTest
    units: str  # what was taken for independent: "40 speakers"


def paired_bootstrap(pairs: pd.DataFrame, seed: int = 0, samples: int = 10_000) -> Comparison:
    """How often the candidate is worse when speakers (or utterances) are drawn anew.

    Both models are judged on the same draw. Utterances of one speaker go well or badly together,
    so whole speakers are drawn where there are enough.
    """
    by_utterance = pairs.errors - pairs.errors_baseline
    by_speaker = by_utterance.groupby(pairs.speaker).sum()
    enough_speakers = len(by_speaker) >= FEWEST_SPEAKERS
    excess = (by_speaker if enough_speakers else by_utterance).to_numpy(np.int64)
    return Comparison(
        difference=_wer_difference(pairs),
        confidence_worse=_part_of_draws_above_zero(excess, seed, samples),
        method="bootstrap",
        units=f"{len(excess)} {'speakers' if enough_speakers else 'utterances'}",
    )


def matched_pairs(pairs: pd.DataFrame) -> Comparison:
    """NIST's matched-pairs test: does the candidate err more in the segments where either erred?

    Errors that lie close together depend on each other; two words that both models got right
    part them, and what lies between such words is one segment.
    """
    excess = excess_by_segment(pairs.alignment, pairs.alignment_baseline)
    return Comparison(
        difference=_wer_difference(pairs),
        confidence_worse=_confidence_that_mean_is_above_zero(excess),
        method="matched_pairs",
        units=f"{len(excess)} segments",
    )


def excess_by_segment(candidate: Iterable[str], baseline: Iterable[str]) -> np.ndarray:
    """The candidate's errors less the baseline's in each segment where either made one."""
    words, inserted = _at_reference_words(candidate)
    words_baseline, inserted_baseline = _at_reference_words(baseline)
    correct = (words == ord(CORRECT)) & (words_baseline == ord(CORRECT))
    untouched = (inserted == 0) & (inserted_baseline == 0)  # between a word and the one before it
    closing = words == ord(END)
    closing[1:] |= correct[1:] & correct[:-1] & untouched[1:]
    segments = np.cumsum(closing) - closing
    errors, errors_baseline = (
        np.bincount(segments, weights=_is_error(letters) + insertions).astype(np.int64)
        for letters, insertions in ((words, inserted), (words_baseline, inserted_baseline))
    )
    return (errors - errors_baseline)[(errors > 0) | (errors_baseline > 0)]


def _at_reference_words(alignments: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """The letter of each reference word or utterance's end, and the insertions before it."""
    text = "".join(alignment + END for alignment in alignments)
    letters = np.frombuffer(text.encode("ascii"), np.uint8)
    is_insertion = letters == ord(INSERTED)
    words_before = np.cumsum(~is_insertion)
    insertions = np.bincount(words_before[is_insertion], minlength=np.sum(~is_insertion))
    return letters[~is_insertion], insertions


def _is_error(letters: np.ndarray) -> np.ndarray:
    return (letters != ord(CORRECT)) & (letters != ord(END))


def _wer_difference(pairs: pd.DataFrame) -> float:
    return float((pairs.errors - pairs.errors_baseline).sum() / pairs.words.sum())


def _part_of_draws_above_zero(excess: np.ndarray, seed: int, samples: int) -> float:
    """How large a part of the bootstrap's sums is above zero; a sum of zero counts half."""
    # One fewer is drawn than there are: so the draws spread as wide as the mean of so many does
    # (Rao and Wu, 1988), which with eight speakers is 7 % wider.
    drawn = max(len(excess) - 1, 1)
    generator = np.random.default_rng(seed)
    at_a_time = max(DRAWN_TOGETHER // drawn, 1)
    above = 0.0
    for start in range(0, samples, at_a_time):
        size = (min(at_a_time, samples - start), drawn)
        sums = excess[generator.integers(len(excess), size=size)].sum(axis=1)
        above += np.count_nonzero(sums > 0) + np.count_nonzero(sums == 0) / 2
    return above / samples


def _confidence_that_mean_is_above_zero(excess: np.ndarray) -> float:
    """One-sided, by Student's t: of many segments the same as NIST's normal distribution."""
    from scipy import stats

    if not len(excess) or excess.min() == excess.max():
        # Without a spread there is no t: what is left is that so many coins all fell alike.
        sign = np.sign(excess.sum())
        return float(0.5 + sign * (0.5 - 0.5 ** len(excess)))
    return float(1 - stats.ttest_1samp(excess, 0, alternative="greater").pvalue)
