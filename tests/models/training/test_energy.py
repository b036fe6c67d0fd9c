"""Electricity is counted from when it was asked last, and never ends a training."""

import time

import pytest

from models.training.energy import EnergyMeter


def work(seconds: float) -> None:
    """Keep one thread busy: a processor that idles is estimated to take next to nothing."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


@pytest.fixture
def meter():
    meter = EnergyMeter()
    yield meter
    meter.close()


def test_what_was_spent_since_the_last_time_on_which_hardware(meter):
    meter.take()
    work(1.0)
    whole = meter.take()
    at_once = meter.take()
    assert whole.kilowatt_hours > 10 * at_once.kilowatt_hours >= 0
    # No processor takes a kilowatt for a second's work here.
    assert 0 < whole.kilowatt_hours < 1 / 3600
    assert "threads of" in whole.hardware
    assert whole.method.endswith("memory estimated")


def test_a_meter_that_is_closed_or_broken_counts_nothing(meter, caplog):
    meter.take()
    meter._tracker.stop_task = lambda: 1 / 0
    assert meter.take().kilowatt_hours == 0
    assert "the electricity of this training is not counted: division by zero" in caplog.text
    meter.close()
    assert meter.take().hardware == ""
