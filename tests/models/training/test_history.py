"""The figures of a training survive a way through a file, and say which weights are best."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.energy import Energy
from models.training.history import Evaluation, History

amounts = st.floats(0, 1e9)
counts = st.integers(0, 1_000_000)
steps = st.lists(counts, max_size=3)
# One evaluation for each step, as in training; WERs of few words, so that some are equal.
wers = st.fractions(0, 1, max_denominator=4).map(float)
evaluations = st.lists(wers, min_size=1, max_size=8).map(
    lambda given: [Evaluation(100 * index, wer) for index, wer in enumerate(given)]
)
histories = st.builds(
    History,
    evaluations=evaluations,
    losses=st.lists(st.tuples(counts, st.floats(allow_nan=False)), max_size=4),
    skipped_steps=counts,
    skipped_batches=counts,
    impossible_transcripts=counts,
    audio_seconds=amounts,
    padded_seconds=amounts,
    seconds=amounts,
    waited_seconds=amounts,
    kilowatt_hours=amounts,
    hardware=st.text(max_size=4),
    electricity_method=st.text(max_size=4),
    stopped_early=steps,
    kept=steps,
)


@given(histories)
def test_a_history_comes_back_from_its_json_to_the_bit(history):
    assert History.from_json(json.loads(json.dumps(history.as_json()))) == history


def test_a_record_of_before_a_figure_was_kept_can_be_gone_on_from():
    record = History([Evaluation(0, 1.0)], seconds=7.0, kilowatt_hours=3.0).as_json()
    del record["kilowatt_hours"]
    history = History.from_json(record)
    assert (history.seconds, history.kilowatt_hours) == (7.0, 0.0)


@given(
    st.lists(st.builds(Energy, st.floats(0, 10), st.sampled_from(["", "2 threads"])), min_size=1)
)
def test_electricity_adds_up_and_the_hardware_is_the_last_that_was_known(spent):
    history = History([])
    for energy in spent:
        history.spend(energy)
    assert history.kilowatt_hours == pytest.approx(sum(one.kilowatt_hours for one in spent))
    assert history.hardware == max(one.hardware for one in spent)


@given(histories)
def test_readers_of_the_file_are_told_the_wer_before_and_the_best(history):
    record = history.as_json()
    assert record["initial_wer"] == history.evaluations[0].wer
    assert record["best"]["wer"] == min(one.wer for one in history.evaluations)


@given(evaluations)
def test_of_equals_the_one_trained_longest_is_best(given):
    best = History(given).best
    assert all((one.wer, -one.step) >= (best.wer, -best.step) for one in given)
    assert best in given


@given(evaluations, st.integers(1, 10))
def test_the_best_few_are_in_order_and_no_other_is_better(given, count):
    best = History(given).best_few(count)
    assert len(best) == min(count, len(given))
    assert [one.wer for one in best] == sorted(one.wer for one in given)[:count]


def test_evaluations_without_gain_count_from_the_last_new_lowest_wer():
    wers = [0.9, 0.5, 0.5, 0.6, 0.4, 0.4, 0.8]
    gained = [
        History([Evaluation(step, wer) for step, wer in enumerate(wers[:count])])
        for count in range(1, len(wers) + 1)
    ]
    assert [one.evaluations_without_gain(0) for one in gained] == [0, 0, 1, 2, 0, 1, 2]


def test_a_stage_is_not_blamed_for_the_evaluations_before_it():
    history = History([Evaluation(step, 0.5) for step in range(5)])
    assert history.evaluations_without_gain(0) == 4
    assert history.evaluations_without_gain(3) == 1
