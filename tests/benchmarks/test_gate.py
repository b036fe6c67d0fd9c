"""The simulation that the gate is tried on: what it makes up is what it says it makes up."""

import numpy as np
import pytest

from benchmarks.gate import BASELINE_WER, OURS, PEER, refusals, rows_of_size, simulate_release


@pytest.mark.parametrize("difference", [-0.005, 0.0, 0.01])
def test_the_made_up_models_differ_as_they_should(difference):
    generator = np.random.default_rng(0)
    releases = [simulate_release(generator, 1000, difference) for _ in range(30)]
    words = sum(pairs.words.sum() for pairs in releases)
    baseline = sum(pairs.errors_baseline.sum() for pairs in releases) / words
    candidate = sum(pairs.errors.sum() for pairs in releases) / words
    assert baseline == pytest.approx(BASELINE_WER, abs=0.004)
    assert candidate - baseline == pytest.approx(difference, abs=0.0015)


def test_the_alignments_are_those_of_the_errors():
    pairs = simulate_release(np.random.default_rng(0), 200, 0.01)
    assert (pairs.alignment.str.count("S") == pairs.errors).all()
    assert (pairs.alignment_baseline.str.count("S") == pairs.errors_baseline).all()
    assert (pairs.alignment.str.len() == pairs.words).all()


def test_the_gate_refuses_nothing_that_a_threshold_lets_out():
    refused = refusals(utterances=200, releases=40)
    for difference, by_threshold in refused[PEER].items():
        assert not (refused[OURS][difference] & ~by_threshold).any()


def test_every_rule_has_a_row_for_each_kind_of_error_and_the_same_seed_gives_the_same():
    rows = rows_of_size(200, 10)
    assert len({row.what for row in rows}) == 3 and len({row.who for row in rows}) == 6
    assert len(rows) == 18 and rows == rows_of_size(200, 10)
