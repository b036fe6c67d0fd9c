"""The line that tells how training goes, and how long it still takes."""

import logging
from itertools import pairwise

import pytest

from models.progress import LOGGER_NAME
from models.training.config import Stage, TrainingConfig
from models.training.progress_line import SECONDS_BETWEEN_LINES, ProgressLine, duration
from models.training.watching import EvaluationReport, StepReport

ONE_STAGE = TrainingConfig(stages=(Stage("all", 1000, 1e-4),), evaluate_every=400)
HEAD_FIRST = TrainingConfig(
    stages=(Stage("head", 100, 1e-3), Stage("all", 400, 1e-4), Stage("all", 500, 1e-5)),
    evaluate_every=10_000,
)


def step_report(step: int, seconds: float = 10.0, **changes) -> StepReport:
    figures = {
        "step": step,
        "total_steps": 1000,
        "stage": 0,
        "loss": 0.4123,
        "learning_rate": 1e-4,
        "gradient_norm": 1.0,
        "utterances": 320,
        "audio_seconds": 310 * seconds,
        "padded_seconds": 400 * seconds,
        "seconds": seconds,
        "waited_seconds": 0.0,
        "skipped_steps": 0,
    }
    return StepReport(**(figures | changes))


def evaluation_report(step: int, wer: float, seconds: float = 0.0) -> EvaluationReport:
    return EvaluationReport(step, wer, seconds, samples=())


@pytest.fixture
def told(caplog):
    """What is reported, as figures."""
    caplog.set_level(logging.INFO, logger=LOGGER_NAME)
    return lambda: [record.progress for record in caplog.records if record.name == LOGGER_NAME]


def time_left(progress) -> str:
    return progress.note.partition(" · ")[0]


def test_the_line_tells_the_time_left_the_loss_the_wer_and_the_speed(told):
    line = ProgressLine(ONE_STAGE)
    line.evaluation(evaluation_report(0, 0.081))
    line.step(step_report(10))
    line.step(step_report(20))
    first, second = told()
    assert (first.step, first.done, first.total) == ("Fine-tuning", 10, 1000)
    assert first.note == "loss 0.412 · WER 8.1 % · 310 s audio/s"
    assert second.note == "16 min left · loss 0.412 · WER 8.1 % · 310 s audio/s"


def test_without_an_evaluation_there_is_no_wer(told):
    ProgressLine(ONE_STAGE).step(step_report(10))
    assert told()[0].note == "loss 0.412 · 310 s audio/s"


def test_skipped_steps_are_told_once_there_are_any(told):
    line = ProgressLine(ONE_STAGE)
    line.step(step_report(10, skipped_steps=2))
    line.step(step_report(20, skipped_steps=1))
    assert [progress.note.rpartition(" · ")[2] for progress in told()] == [
        "2 steps skipped",
        "3 steps skipped",
    ]


def test_the_time_left_holds_the_evaluations_to_come(told):
    # Given a second a step, and an hour an evaluation: at 400, at 800 and after the last step,
    line = ProgressLine(ONE_STAGE)
    line.evaluation(evaluation_report(0, 1.0, seconds=3600))
    line.step(step_report(10, seconds=10))
    for step, steps, left in (
        (40, 30, "3 h 16 min left"),
        (340, 300, "3 h 11 min left"),
        (400, 60, "2 h 10 min left"),
        (820, 420, "1 h 3 min left"),
    ):
        # then each of them is counted up to its step.
        line.step(step_report(step, seconds=steps))
        assert time_left(told()[-1]) == left


def test_after_a_restart_only_steps_of_this_process_tell_the_pace(told):
    # Given a run that goes on from step 900 and compiles in its first report,
    line = ProgressLine(ONE_STAGE)
    line.step(step_report(910, seconds=300.0))
    # when its steps take 2 seconds each,
    line.step(step_report(920, seconds=20.0))
    # then 80 of them are left.
    assert time_left(told()[-1]) == "3 min left"


def test_a_change_of_pace_shows_in_the_time_left(told):
    line = ProgressLine(ONE_STAGE)
    for step in range(10, 110, 10):
        line.step(step_report(step, seconds=100.0))
    assert time_left(told()[-1]) == "2 h 30 min left"
    for step in range(110, 710, 10):
        line.step(step_report(step, seconds=10.0))
    assert time_left(told()[-1]) == "5 min left"


def test_up_to_a_stage_that_trains_more_the_line_tells_the_time_to_that_stage(told):
    line = ProgressLine(HEAD_FIRST)
    # The head alone says nothing about the pace of all.
    line.step(step_report(10, seconds=10.0))
    line.step(step_report(20, seconds=10.0))
    assert time_left(told()[-1]) == "80 s to stage 2"
    # The first report of a stage is slow: it compiles.
    line.step(step_report(110, seconds=500.0, stage=1))
    assert time_left(told()[-1]).startswith("loss")
    # A stage that trains the same parts goes on at this pace.
    line.step(step_report(120, seconds=40.0, stage=1))
    assert time_left(told()[-1]) == "59 min left"


def test_the_last_line_has_no_time_left(told):
    line = ProgressLine(ONE_STAGE)
    for step in (980, 990, 1000):
        line.step(step_report(step))
    assert told()[-1].note == "loss 0.412 · 310 s audio/s"


def test_fast_steps_are_told_every_few_seconds_and_at_the_end(told):
    # Given a training of 100 000 steps, ten of which take an eighth of a second,
    line = ProgressLine(TrainingConfig(stages=(Stage("all", 100_000, 1e-4),)))
    seconds = 0.125
    for step in range(10, 100_010, 10):
        line.step(step_report(step, seconds, total_steps=100_000))
    line.close()
    # then a log gets a line every few seconds, the first at once and the last for certain.
    done = [progress.done for progress in told()]
    assert done[0] == 10 and done[-1] == 100_000
    steps_between = 10 * SECONDS_BETWEEN_LINES / seconds
    assert {later - earlier for earlier, later in pairwise(done[:-1])} == {steps_between}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (3_569, "59 min"),
        (3_571, "1 h 0 min"),
        (86_399, "1 d 0 h"),
        (200_000, "2 d 7 h"),
    ],
)
def test_a_duration_is_said_in_two_units_at_most(seconds, said):
    assert duration(seconds) == said
