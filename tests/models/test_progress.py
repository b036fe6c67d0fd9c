"""Long work tells how far it is, to whoever listens."""

import logging

import pytest

from models.progress import LOGGER_NAME, Progress, report


def test_a_report_is_a_log_record_that_carries_its_figures(caplog):
    with caplog.at_level(logging.INFO, logger=LOGGER_NAME):
        report("Fine-tuning", 10, 200, "loss 1.234")
    (record,) = caplog.records
    assert record.name == LOGGER_NAME
    assert record.progress == Progress("Fine-tuning", 10, 200, "loss 1.234")
    assert record.getMessage() == "Fine-tuning: 10/200 loss 1.234"


@pytest.mark.parametrize(
    ("progress", "line"),
    [(Progress("Exporting", 1, 3), "Exporting: 1/3"), (Progress("A", 0, 0, "b"), "A: 0/0 b")],
)
def test_a_progress_reads_as_one_line(progress, line):
    assert str(progress) == line
