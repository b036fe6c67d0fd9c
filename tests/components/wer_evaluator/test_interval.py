"""The interval of a WER: as wide as speakers differ, and no proof of perfection."""

import math

import numpy as np
import pytest

from components.wer_evaluator.interval import wer_interval

BLOCKS = 16


def speakers_with_rates(rates: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors and words, [speakers, blocks], of speakers who differ in their true rate."""
    generator = np.random.default_rng(seed)
    words = generator.integers(20, 60, size=(len(rates), BLOCKS)).astype(float)
    return generator.binomial(words.astype(int), rates[:, None]).astype(float), words


def test_the_interval_holds_the_true_rate_about_as_often_as_it_says():
    held = 0
    for seed in range(300):
        rates = np.random.default_rng(1000 + seed).beta(2, 18, size=40)  # mean 10 %
        low, high = wer_interval(*speakers_with_rates(rates, seed))
        held += low <= 0.10 <= high
    assert 0.90 <= held / 300 <= 0.98


def test_few_speakers_are_resampled_by_blocks_of_utterances():
    low, high = wer_interval(*speakers_with_rates(np.array([0.1]), seed=0))
    assert 0 < high - low < 0.1


def test_no_error_in_few_words_is_no_proof_of_perfection():
    few, many = (wer_interval(np.zeros((3, BLOCKS)), np.full((3, BLOCKS), n)) for n in (2, 200))
    assert few[0] == many[0] == 0.0
    assert few[1] == pytest.approx(3.69 / (6 * BLOCKS), rel=0.03)
    assert many[1] == pytest.approx(3.69 / (600 * BLOCKS), rel=0.03)


def test_one_block_has_no_interval():
    errors, words = np.zeros((1, BLOCKS)), np.zeros((1, BLOCKS))
    errors[0, 0], words[0, 0] = 1, 10
    assert all(math.isnan(bound) for bound in wer_interval(errors, words))


def test_the_interval_is_the_same_every_time():
    table = speakers_with_rates(np.full(10, 0.1), seed=0)
    assert wer_interval(*table) == wer_interval(*table)
