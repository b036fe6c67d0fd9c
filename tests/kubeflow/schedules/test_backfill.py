"""Past dates get one run each, in order, no more at once than is allowed."""

from __future__ import annotations

import datetime

import pytest

from kubeflow.schedules.asking import ServiceError
from kubeflow.schedules.backfill import DatedRun, days_between, run_for_dates, run_id
from kubeflow.schedules.service import End, Outcome
from models.errors import BadInputError
from tests.kubeflow.schedules.loopback import LoopbackService

FIRST, LAST = datetime.date(2026, 1, 30), datetime.date(2026, 2, 2)


class Meanwhile:
    """What happens on the service while nobody looks: the oldest run ends, each as it is told."""

    def __init__(self, server: LoopbackService, **ends: tuple[End, str]) -> None:
        self.server = server
        self.ends = ends  # by the day of the month, such as day_31; the others succeed
        self.running_at_each_wait: list[int] = []

    def __call__(self) -> None:
        running = self.server.running()
        self.running_at_each_wait.append(len(running))
        day = self.server.data_date(running[0])[-2:]
        self.server.end(running[0], *self.ends.get(f"day_{day}", ("succeeded", "")))


def backfill(place, days, at_once, wait, unheard=None) -> list[DatedRun]:
    return list(
        run_for_dates(place.service, place.compile(), days, at_once, unheard or fail, wait=wait)
    )


def fail(error) -> None:
    raise AssertionError("the service was not out") from error


def test_each_day_gets_a_run_with_its_date(place):
    days = days_between(FIRST, LAST)
    told = backfill(place, days, 4, Meanwhile(place.server))
    assert [one.day for one in told if one.outcome is None] == days
    dates = [place.server.data_date(run) for run in place.server.submitted()]
    assert dates == ["2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02"]


def test_the_next_waits_until_an_earlier_one_has_ended_and_the_last_are_waited_for(place):
    meanwhile = Meanwhile(place.server)
    told = backfill(place, days_between(FIRST, LAST), 2, meanwhile)
    assert meanwhile.running_at_each_wait == [2, 2, 2, 1]
    assert place.server.running() == []
    assert [one.outcome for one in told if one.outcome] == [Outcome("succeeded")] * 4


def test_a_day_that_failed_is_told_with_its_reason_and_keeps_no_other_back(place):
    meanwhile = Meanwhile(
        place.server,
        day_30=("failed", "The node Trainer failed."),
        day_01=("cancelled", "By somebody."),
    )
    told = backfill(place, days_between(FIRST, LAST), 1, meanwhile)
    assert [(str(one.day), one.outcome) for one in told if one.outcome] == [
        ("2026-01-30", Outcome("failed", "The node Trainer failed.")),
        ("2026-01-31", Outcome("succeeded")),
        ("2026-02-01", Outcome("cancelled", "By somebody.")),
        ("2026-02-02", Outcome("succeeded")),
    ]


@pytest.mark.parametrize("asking", ["GET", "POST"], ids=["for the outcome", "for a run"])
def test_an_outage_while_runs_go_on_is_told_and_waited_out(place, asking):
    meanwhile = Meanwhile(place.server)
    outages: list[ServiceError] = []

    def wait() -> None:
        meanwhile()
        place.server.mend()
        if len(meanwhile.running_at_each_wait) == 1:
            place.server.fail(asking, "", times=1000)

    told = backfill(place, days_between(FIRST, LAST), 2, wait, outages.append)
    assert outages
    assert [one.outcome for one in told if one.outcome] == [Outcome("succeeded")] * 4
    assert len(place.server.submitted()) == 4


def test_an_outage_before_the_first_run_ends_it(place):
    place.server.fail("POST", "", times=1000)
    with pytest.raises(ServiceError, match="try again later"):
        backfill(place, [FIRST], 1, Meanwhile(place.server))


def test_a_range_that_ends_before_it_begins_is_refused():
    with pytest.raises(BadInputError, match="--to-date 2026-01-30 is before --for-date 2026-02-02"):
        days_between(LAST, FIRST)


def test_a_long_name_leaves_room_for_what_tells_runs_apart():
    id = run_id("a" * 128, "for-2026-01-31-20260201000000")
    assert len(id) == 128
    assert id.endswith("-for-2026-01-31-20260201000000")
