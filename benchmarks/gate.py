"""How well the release gate tells a worse model from a good one, on releases that are made up.

Both models hear the same utterances. What makes an utterance hard is shared: its speaker, itself
and its words; what is a model's own is the rest of each word's luck and how it gets on with each
speaker. So the true difference is known, and so is whether the gate was right.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.rows import Row
from components.release_gate.comparison import (
    END,
    Comparison,
    matched_pairs,
    paired_bootstrap,
)
from components.release_gate.config import GateConfig
from components.release_gate.rules import is_regression
from models.word_errors import CORRECT, SUBSTITUTED

if TYPE_CHECKING:
    import pandas as pd

RELEASES = 1_000  # of each size
# The last is LibriSpeech's test-clean.
SPEAKERS_OF_SIZE = {200: 10, 1000: 20, 2600: 40}
BASELINE_WER = 0.05
GOOD, TOLERATED, WORSE = (-0.005, 0.0), (0.002,), (0.005, 0.01)
# Words of an utterance: LibriSpeech's mean is 20, and its longest have 80 or so.
WORDS_SHAPE, WORDS_SCALE, MOST_WORDS = 2.2, 9.1, 80
# How far speakers spread (as one standard deviation of the logarithm), utterances of a speaker,
# and a speaker's liking of one model; how alike the models' luck with a word is.
SPEAKER_SPREAD, UTTERANCE_SHAPE, LIKING_SPREAD, WORD_CORRELATION = 0.5, 1.5, 0.1, 0.7
BOOTSTRAP_SAMPLES = 2_000
OURS, PEER = "our gate", "a plain threshold"

Decision = Callable[[Sequence[Comparison]], bool]


def gate() -> list[Row]:
    """In how many of the releases the gate errs, beside plainer rules."""
    return [row for utterances in SPEAKERS_OF_SIZE for row in rows_of_size(utterances, RELEASES)]


def rows_of_size(utterances: int, releases: int) -> list[Row]:
    """The rows for test sets of so many utterances."""
    refused = refusals(utterances, releases)
    rows = []
    for kind, differences, is_error in (
        ("better by 0.5 points or as good, but refused", GOOD, True),
        ("worse by the tolerated 0.2 points, and refused", TOLERATED, True),
        ("worse by 0.5 or 1 point, but let out", WORSE, False),
    ):
        for who, by_difference in refused.items():
            outcomes = np.concatenate([by_difference[difference] for difference in differences])
            rate = 100 * float(np.mean(outcomes == is_error))
            what = f"{utterances} utterances: {kind}"
            rows.append(Row(what, who, rate, unit="% of releases", is_peer=who == PEER))
    return rows


def refusals(utterances: int, releases: int) -> dict[str, dict[float, np.ndarray]]:
    """By rule and true difference, whether each release was refused."""
    rules = decisions(GateConfig())
    differences = (*GOOD, *TOLERATED, *WORSE)
    refused: dict[str, dict[float, list[bool]]] = {
        who: {difference: [] for difference in differences} for who in rules
    }
    generator = np.random.default_rng(utterances)
    for number in range(releases):
        difference = differences[number % len(differences)]
        pairs = simulate_release(generator, utterances, difference)
        comparisons = (paired_bootstrap(pairs, number, BOOTSTRAP_SAMPLES), matched_pairs(pairs))
        for who, refuses in rules.items():
            refused[who][difference].append(refuses(comparisons))
    return {
        who: {difference: np.array(outcomes) for difference, outcomes in by_difference.items()}
        for who, by_difference in refused.items()
    }


def decisions(config: GateConfig) -> dict[str, Decision]:
    """The gate as it is, what it would be with one of its tests, and plain thresholds."""

    def with_tests(*tests) -> Decision:
        changed = dataclasses.replace(config, regression_tests=tests)
        return lambda comparisons: is_regression(comparisons, changed)

    bootstrap, matched = with_tests("bootstrap"), with_tests("matched_pairs")
    return {
        OURS: lambda comparisons: is_regression(comparisons, config),
        "both tests must find it": lambda both: bootstrap(both) and matched(both),
        "bootstrap alone": bootstrap,
        "matched pairs alone": matched,
        PEER: lambda comparisons: comparisons[0].difference > config.tolerated_regression,
        "… that tolerates nothing": lambda comparisons: comparisons[0].difference > 0,
    }


def simulate_release(
    generator: np.random.Generator, utterances: int, difference: float
) -> pd.DataFrame:
    """The pairs of a baseline and of a candidate whose WER is truly higher by the difference."""
    import pandas as pd

    speakers = SPEAKERS_OF_SIZE[utterances]
    speaker = np.arange(utterances) % speakers
    words = generator.gamma(WORDS_SHAPE, WORDS_SCALE, utterances).round().clip(1, MOST_WORDS)
    words = words.astype(int)
    hardness = _around_one(generator, SPEAKER_SPREAD, speakers)[speaker] * generator.gamma(
        UTTERANCE_SHAPE, 1 / UTTERANCE_SHAPE, utterances
    )
    liking = _around_one(generator, LIKING_SPREAD, speakers)[speaker]
    shared_luck = generator.normal(size=words.sum(), scale=WORD_CORRELATION**0.5)
    sides: dict[str, Sequence | np.ndarray] = {}
    for side, rates in (
        ("", (BASELINE_WER + difference) * hardness * liking),
        ("_baseline", BASELINE_WER * hardness),
    ):
        wrong = _wrong_words(generator, rates, words, shared_luck)
        sides[f"errors{side}"] = np.add.reduceat(wrong, np.cumsum(words) - words, dtype=int)
        sides[f"alignment{side}"] = _alignments(wrong, words)
    return pd.DataFrame({"speaker": speaker, "words": words, **sides})


def _around_one(generator: np.random.Generator, spread: float, count: int) -> np.ndarray:
    return generator.lognormal(-(spread**2) / 2, spread, count)


def _wrong_words(
    generator: np.random.Generator, rates: np.ndarray, words: np.ndarray, shared_luck: np.ndarray
) -> np.ndarray:
    """Which words are wrong, each with its utterance's rate."""
    from scipy.special import ndtri

    own_luck = generator.normal(size=len(shared_luck), scale=(1 - WORD_CORRELATION) ** 0.5)
    return shared_luck + own_luck < np.repeat(ndtri(rates.clip(max=0.9)), words)


def _alignments(wrong: np.ndarray, words: np.ndarray) -> list[str]:
    letters = np.where(wrong, ord(SUBSTITUTED), ord(CORRECT)).astype(np.uint8)
    with_ends = np.insert(letters, np.cumsum(words), ord(END))
    return with_ends.tobytes().decode("ascii").splitlines()
