"""A watcher that fails ends no training."""

import logging

import pytest

from models.training.config import Stage, TrainingConfig
from models.training.tensorboard import TensorBoard
from models.training.watching import MOST_FAILURES, EvaluationReport, Guarded, Sample, StepReport

CONFIG = TrainingConfig(stages=(Stage("all", 100, 1e-4),))
STEP = StepReport(10, 100, 0, 1.0, 1e-4, 2.0, 80, 400.0, 500.0, 2.0, 0.5, 0)
EVALUATION = EvaluationReport(10, 0.1, 1.0, (Sample("A", "B"),))


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING)
    return lambda: caplog.messages


def tell_ten_times(watcher) -> None:
    for _ in range(5):
        watcher.step(STEP)
        watcher.evaluation(EVALUATION)
    watcher.close()


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence_each_and_then_let_be(
    tmp_path, warnings
):
    # Given a place for events where a file is in the way,
    (tmp_path / "file").write_text("")
    # when training tells of itself again and again,
    tell_ten_times(Guarded(TensorBoard(str(tmp_path / "file" / "events"), CONFIG)))
    # then a few warnings name the watcher and the trouble, the last of them the end of it.
    assert len(warnings()) == MOST_FAILURES
    assert all("TensorBoard failed" in told and "\n" not in told for told in warnings())
    assert [("told no more" in told) for told in warnings()] == [False, False, True]
    assert "Not a directory" in warnings()[0]


def test_a_folder_that_is_away_for_a_moment_costs_its_reports_only(tmp_path, warnings):
    in_the_way = tmp_path / "events"
    in_the_way.write_text("")
    watcher = Guarded(TensorBoard(str(in_the_way), CONFIG))
    watcher.step(STEP)
    in_the_way.unlink()
    tell_ten_times(watcher)
    assert len(warnings()) == 1
    (written,) = in_the_way.iterdir()
    assert "tfevents" in written.name


def test_what_a_person_interrupts_is_interrupted():
    class Interrupted(TensorBoard):
        def step(self, report):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Guarded(Interrupted("nowhere", CONFIG)).step(STEP)
