"""What became of the steps: read some at a time, added up, given up when nothing is learned."""

import math
import time

import pytest
import tensorflow as tf

from models.errors import W2vError
from models.training.history import History
from models.training.meter import MOST_SKIPPED_IN_A_ROW, Meter
from models.training.step import StepResult

SENTENCE = r"stopped at step 20: the gradients were no numbers 20 .* learning rate \(0\.001"


def result(loss: float = 2.0, applied: bool = True, impossible: int = 0) -> StepResult:
    """A step over three utterances of 4 s in all, padded to 5 s."""
    figures = (loss, 0.5 if applied else math.nan, applied, 3.0, float(impossible), 4.0, 5.0)
    return StepResult(*map(tf.constant, figures))


@pytest.fixture
def history() -> History:
    return History([])


@pytest.fixture
def meter(history) -> Meter:
    return Meter(history, stage=1, learning_rate=1e-3)


def test_a_report_is_about_the_steps_since_the_last_one(meter, history):
    meter.add(1, result(loss=9.0), waited_seconds=0.25)
    meter.add(2, result(loss=8.0), waited_seconds=0.25)
    first = meter.report(2, total_steps=10, learning_rate=1e-4)
    meter.add(3, result(loss=7.0), waited_seconds=0.5)
    second = meter.report(3, total_steps=10, learning_rate=2e-4)
    assert (first.step, first.loss, first.utterances, first.waited_seconds) == (2, 8.0, 6, 0.5)
    assert (first.audio_seconds, first.padded_seconds) == (8.0, 10.0)
    assert (second.step, second.loss, second.utterances, second.waited_seconds) == (3, 7.0, 3, 0.5)
    assert (second.stage, second.total_steps) == (1, 10)
    assert (second.learning_rate, second.gradient_norm) == (2e-4, 0.5)
    assert history.losses == [(2, 8.0), (3, 7.0)]
    assert (history.audio_seconds, history.padded_seconds) == (12.0, 15.0)
    assert history.waited_seconds == 1.0
    assert history.seconds == pytest.approx(first.seconds + second.seconds)


def test_what_is_read_before_a_report_is_in_it_and_is_not_counted_twice(meter, history):
    meter.add(1, result(loss=9.0), 0.0)
    meter.read()
    assert history.audio_seconds == 4.0
    report = meter.report(1, 10, 1e-4)
    assert (report.loss, report.utterances, history.audio_seconds) == (9.0, 3, 4.0)


def test_time_that_is_no_training_is_left_out(meter):
    with meter.paused():
        time.sleep(0.1)
    with pytest.raises(InterruptedError), meter.paused():
        time.sleep(0.1)
        raise InterruptedError
    meter.add(1, result(), 0.0)
    assert meter.report(1, 10, 1e-4).seconds < 0.1


def test_skipped_steps_and_impossible_transcripts_are_counted(meter, history):
    for step in (1, 2, 3):
        meter.add(step, result(applied=step != 2, impossible=step), 0.0)
    assert meter.report(3, 10, 1e-4).skipped_steps == 1
    assert (history.skipped_steps, history.impossible_transcripts) == (1, 6)


def test_many_skipped_steps_in_a_row_end_training_with_the_cure(meter):
    for step in range(1, MOST_SKIPPED_IN_A_ROW):
        meter.add(step, result(applied=False), 0.0)
    meter.read()
    meter.add(MOST_SKIPPED_IN_A_ROW, result(applied=False), 0.0)
    with pytest.raises(W2vError, match=SENTENCE):
        meter.read()


def test_one_good_step_among_them_is_hope(meter, history):
    for step in range(1, 2 * MOST_SKIPPED_IN_A_ROW):
        meter.add(step, result(applied=step == MOST_SKIPPED_IN_A_ROW), 0.0)
    meter.read()
    assert history.skipped_steps == 2 * MOST_SKIPPED_IN_A_ROW - 2
