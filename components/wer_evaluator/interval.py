"""The confidence interval of a word error rate."""

from __future__ import annotations

import numpy as np

CONFIDENCE = 0.95
BOOTSTRAP_SAMPLES = 1_000
DRAWN_TOGETHER = 1_000_000
# With fewer speakers than this their spread says nothing: blocks of utterances are resampled.
FEWEST_SPEAKERS = 6


def wer_interval(errors: np.ndarray, words: np.ndarray) -> tuple[float, float]:
    """A 95 % bootstrap interval of the WER from [speakers, blocks] of errors and words.

    Utterances of one speaker err alike, so whole speakers are drawn; the blocks of utterances
    take their place where there are too few. Without any error it is the binomial one.
    """
    by_speaker = np.stack([errors.sum(axis=1), words.sum(axis=1)])  # [2, speakers]
    units = by_speaker[:, by_speaker[1] > 0]
    if units.shape[1] < FEWEST_SPEAKERS:
        by_block = np.stack([errors.ravel(), words.ravel()])
        units = by_block[:, by_block[1] > 0]
    count, spoken = units.shape[1], float(words.sum())
    if count < 2:
        return float("nan"), float("nan")
    tail = (1 - CONFIDENCE) / 2
    if not errors.any():  # nothing to resample: as many words without error, by chance
        return 0.0, 1 - tail ** (1 / spoken)
    generator, chances = np.random.default_rng(0), np.full(count, 1 / count)
    # In parts: a draw holds a number for each speaker.
    together = max(1, DRAWN_TOGETHER // count)
    parts = [
        generator.multinomial(count, chances, size=min(together, BOOTSTRAP_SAMPLES - done))
        @ units.T
        for done in range(0, BOOTSTRAP_SAMPLES, together)
    ]
    resampled = np.concatenate(parts)  # [samples, 2]
    low, high = np.quantile(resampled[:, 0] / resampled[:, 1], [tail, 1 - tail])
    return float(low), float(high)
