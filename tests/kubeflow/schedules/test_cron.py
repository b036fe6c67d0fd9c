"""Cron expressions as both services read them."""

import datetime

import pytest

from kubeflow.schedules.cron import Cron
from models.errors import BadInputError

NEW_YEAR = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)  # a Thursday


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("0 3 * * 1", ["01-05 03:00", "01-12 03:00"]),
        ("0 3 * * mon", ["01-05 03:00", "01-12 03:00"]),
        ("*/20 5 * * *", ["01-01 05:00", "01-01 05:20", "01-01 05:40", "01-02 05:00"]),
        ("50/5 0 2,4 * *", ["01-02 00:50", "01-02 00:55", "01-04 00:50"]),
        ("0 0 1 FEB-mar *", ["02-01 00:00", "03-01 00:00", "02-01 00:00"]),
        # A day of month and a day of week, both named, are either of them; with a star both.
        ("0 0 10 * 0", ["01-04 00:00", "01-10 00:00", "01-11 00:00"]),
        ("0 0 1-7 * */6", ["01-03 00:00", "01-04 00:00", "02-01 00:00"]),
        ("0 12 29 2 ?", ["02-29 12:00"]),
    ],
)
def test_the_next_times_of_an_expression(text, times):
    coming = Cron.parse(text, "UTC").times(NEW_YEAR)
    assert [f"{next(coming):%m-%d %H:%M}" for _ in times] == times


def test_times_are_those_of_the_zone_through_summer_and_winter():
    daily = Cron.parse("0 3 * * *", "Europe/Berlin")
    assert daily.after(NEW_YEAR).astimezone(datetime.UTC).hour == 2
    assert daily.after(NEW_YEAR.replace(month=7)).astimezone(datetime.UTC).hour == 1


def test_a_time_is_after_the_moment_and_never_at_it():
    assert Cron.parse("0 0 1 * *", "UTC").after(NEW_YEAR) == NEW_YEAR.replace(month=2)


def test_a_day_that_never_comes_has_no_time():
    assert Cron.parse("0 0 30 2 *", "UTC").after(NEW_YEAR) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("60 * * * *", "its minute: '60' must be a number from 0 to 59"),
        ("0 0 * * 7", "its day of week: '7' must be a number from 0 to 6, or sun to sat"),
        ("0 0 * lent *", "its month: 'lent' must be a number from 1 to 12, or jan to dec"),
        ("0 5-3 * * *", "its hour: '5-3' ends before it begins"),
        ("*/0 * * * *", "its minute: '\\*/0' must have a step such as \\*/15"),
        ("@daily", "must have five fields"),
    ],
)
def test_a_wrong_expression_is_named_with_its_field(text, sentence):
    with pytest.raises(BadInputError, match=sentence):
        Cron.parse(text, "UTC")
