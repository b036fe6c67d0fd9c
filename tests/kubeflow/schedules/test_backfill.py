"""Past dates get one run each, in order, no more at once than is allowed."""

from __future__ import annotations

import datetime

import pytest

from kubeflow.schedules.backfill import days_between, run_id, submit_for_dates
from models.errors import BadInputError

FIRST, LAST = datetime.date(2026, 1, 30), datetime.date(2026, 2, 2)


def test_each_day_gets_a_run_with_its_date(place):
    days = days_between(FIRST, LAST)
    submitted = list(submit_for_dates(place.service, place.compile(), days, at_once=4))
    assert [day for day, _ in submitted] == days
    dates = [dates_of(run) for run in runs_of(place.server)]
    assert dates == ["2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02"]


def test_the_next_waits_until_an_earlier_one_has_ended(place):
    running_at_each_wait = []

    def wait() -> None:
        """Meanwhile the oldest one ends."""
        running = [run for run in runs_of(place.server) if "RUNNING" in run["state"]]
        running_at_each_wait.append(len(running))
        running[0]["state"] = running[0]["state"].replace("RUNNING", "FAILED")

    days = days_between(FIRST, LAST)
    list(submit_for_dates(place.service, place.compile(), days, at_once=2, wait=wait))
    assert running_at_each_wait == [2, 2]
    assert len(runs_of(place.server)) == len(days)


def test_a_range_that_ends_before_it_begins_is_refused():
    with pytest.raises(BadInputError, match="--to-date 2026-01-30 is before --for-date 2026-02-02"):
        days_between(LAST, FIRST)


def test_a_long_name_leaves_room_for_what_tells_runs_apart():
    id = run_id("a" * 128, "for-2026-01-31-20260201000000")
    assert len(id) == 128
    assert id.endswith("-for-2026-01-31-20260201000000")


def runs_of(server) -> list[dict]:
    return list((server.jobs if hasattr(server, "jobs") else server.runs).values())


def dates_of(run: dict) -> str:
    if "runtimeConfig" in run:
        return run["runtimeConfig"]["parameterValues"]["data_date"]
    return run["runtime_config"]["parameters"]["data_date"]
