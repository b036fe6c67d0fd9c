"""The learning rate over the steps of a stage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.config import Stage
from models.training.schedule import SHAPES, StageSchedule

PEAK = 2e-4
# What is left of the peak at the last step.
AT_THE_END = {"tri_stage": 0.05, "one_cycle": 0.0, "linear": 0.0, "constant": 1.0}

shapes = st.sampled_from(sorted(SHAPES))


# Warm-up and hold, together less than the stage.
parts = st.tuples(st.floats(0, 0.9), st.floats(0, 0.9)).filter(lambda two: sum(two) <= 0.95)


def rates(schedule: str, steps: int, beyond: int = 0, **settings) -> np.ndarray:
    """The rate of each step, as a share of the peak."""
    schedule = StageSchedule(Stage("all", steps, PEAK, schedule, **settings))
    return np.asarray(schedule(np.arange(steps + beyond))) / PEAK


@given(shapes, st.integers(1, 3000))
def test_the_rate_is_never_negative_never_above_the_peak_and_ends_where_it_should(shape, steps):
    shares = rates(shape, steps)
    assert (shares >= -1e-6).all()
    assert (shares <= 1 + 1e-5).all()
    assert shares[-1] == pytest.approx(AT_THE_END[shape], abs=1e-4)


@given(shapes, st.integers(2, 3000))
def test_the_first_step_learns_already(shape, steps):
    assert rates(shape, steps)[0] > 0


@given(shapes, st.integers(10, 3000))
def test_the_rate_rises_to_its_peak_within_a_tenth_and_never_again(shape, steps):
    shares = rates(shape, steps)
    top = int(shares.argmax())
    assert shares[top] >= 0.9
    assert top <= max(0.1 * steps, 1)
    assert (np.diff(shares[: top + 1]) >= 0).all()
    assert (np.diff(shares[top:]) <= 1e-5).all()


def test_tri_stage_holds_its_peak_for_four_tenths_then_decays_by_equal_factors():
    shares = rates("tri_stage", 1000)
    np.testing.assert_allclose(shares[99:499], 1, atol=1e-5)
    assert shares[98] < 1 > shares[505]
    factors = shares[501:] / shares[500:-1]
    np.testing.assert_allclose(factors, 0.05 ** (1 / 500), rtol=1e-4)


def test_one_cycle_is_half_way_down_half_way_through_its_descent():
    shares = rates("one_cycle", 1000)
    assert shares[49] == pytest.approx(0.5, abs=1e-3)
    assert shares[549] == pytest.approx(0.5, abs=1e-3)


@given(shapes, st.integers(1, 100))
def test_beyond_its_last_step_the_rate_stays(shape, steps):
    shares = rates(shape, steps, beyond=5)
    np.testing.assert_allclose(shares[steps:], shares[steps - 1], atol=1e-6)


def test_a_schedule_is_made_again_from_its_config():
    schedule = StageSchedule(Stage("head", 100, PEAK, "linear"))
    again = StageSchedule.from_config(schedule.get_config())
    assert float(again(10)) == float(schedule(10)) > 0


@given(shapes, parts, st.none() | st.floats(0.01, 1), st.integers(2, 500))
def test_whatever_the_parts_the_rate_rises_then_falls_and_ends_where_it_should(
    shape, parts, final, steps
):
    warm_up, hold = parts
    shares = rates(shape, steps, warm_up=warm_up, hold=hold, final=final)
    top = int(shares.argmax())
    assert (shares >= -1e-6).all()
    assert (shares <= 1 + 1e-5).all()
    assert (np.diff(shares[: top + 1]) >= -1e-5).all()
    assert (np.diff(shares[top:]) <= 1e-5).all()
    ends_at = final if final and shape in ("tri_stage", "linear") else AT_THE_END[shape]
    assert shares[-1] == pytest.approx(ends_at, abs=1e-3)


@given(st.sampled_from(["tri_stage", "one_cycle", "linear"]), st.floats(0.01, 0.5))
def test_the_rate_warms_up_in_equal_rises_over_its_part(shape, warm_up):
    shares = rates(shape, 1000, warm_up=warm_up, hold=0.4)
    rising = int(warm_up * 1000) - 1
    expected = (np.arange(rising) + 1) / 1000 / warm_up
    np.testing.assert_allclose(shares[:rising], expected, rtol=1e-4)


@given(parts)
def test_tri_stage_holds_its_peak_over_its_part(parts):
    warm_up, hold = parts
    shares = rates("tri_stage", 1000, warm_up=warm_up, hold=hold)
    done = np.arange(1, 1001) / 1000
    held = shares[(done > warm_up + 1e-4) & (done < warm_up + hold - 1e-4)]
    np.testing.assert_allclose(held, 1, atol=1e-4)


def test_without_a_warm_up_the_first_step_has_the_peak_already():
    assert rates("tri_stage", 100, warm_up=0.0)[0] == pytest.approx(1)
    assert rates("linear", 100, warm_up=0.0)[0] == pytest.approx(0.99)
