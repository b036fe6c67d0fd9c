"""A schedule is what the file and the config say, however often and from wherever it is applied."""

from __future__ import annotations

import contextlib
import datetime
from dataclasses import replace

import pytest

from kubeflow.schedules.apply import (
    apply_schedule,
    first_run_dated_otherwise,
    named_schedule,
    wanted_schedule,
)
from models.errors import BadInputError, W2vError
from pipeline.cluster_config import ScheduleConfig

MONDAYS = ScheduleConfig("0 3 * * 1")


def test_a_new_schedule_is_created_active_with_its_next_run(place):
    applied = apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    assert applied.change == "created"
    assert applied.schedule.state == "active"
    assert applied.schedule.next_run > datetime.datetime.now(datetime.UTC)
    assert place.server.states("digits") == ["active"]


def test_the_same_file_and_settings_again_change_nothing(place):
    apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    place.server.asked.clear()
    applied = apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    assert applied.change == "unchanged"
    assert {asked.method for asked in place.server.asked} == {"GET"}


def test_another_spec_takes_the_old_ones_place(place):
    before = apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    after = apply_schedule(place.service, wanted_schedule(place.compile(image="w2v:2"), MONDAYS))
    assert after.change == "recreated"
    assert after.schedule.id != before.schedule.id
    assert place.server.states("digits") == ["active"]
    again = apply_schedule(place.service, wanted_schedule(place.compile(image="w2v:2"), MONDAYS))
    assert again.change == "unchanged"


def test_a_paused_schedule_stays_paused_when_another_takes_its_place(place):
    before = apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    place.service.pause(before.schedule)
    after = apply_schedule(place.service, wanted_schedule(place.compile(image="w2v:2"), MONDAYS))
    assert (after.change, after.schedule.state) == ("recreated", "paused")
    assert after.schedule.next_run is None
    assert place.server.states("digits") == ["paused"]


def test_vertex_changes_the_time_in_place(vertex):
    pipeline = vertex.compile()
    before = apply_schedule(vertex.service, wanted_schedule(pipeline, MONDAYS))
    daily = replace(MONDAYS, cron="30 4 * * *", max_concurrent=2)
    after = apply_schedule(vertex.service, wanted_schedule(pipeline, daily))
    assert after.change == "updated"
    assert after.schedule.id == before.schedule.id
    (kept,) = vertex.server.schedules.values()
    assert kept["cron"] == "TZ=UTC 30 4 * * *"
    assert (kept["maxConcurrentRunCount"], kept["maxConcurrentActiveRunCount"]) == ("2", "2")
    assert apply_schedule(vertex.service, wanted_schedule(pipeline, daily)).change == "unchanged"


def test_kubeflow_recreates_even_for_another_time(kubeflow):
    pipeline = kubeflow.compile()
    apply_schedule(kubeflow.service, wanted_schedule(pipeline, MONDAYS))
    daily = replace(MONDAYS, cron="30 4 * * *")
    assert apply_schedule(kubeflow.service, wanted_schedule(pipeline, daily)).change == "recreated"
    (kept,) = kubeflow.server.recurring.values()
    assert kept["trigger"]["cron_schedule"]["cron"] == "0 30 4 * * *"


# What each service is asked for in the course of a replacement: create, pause, resume, delete.
STEPS = {
    "vertex": [("POST", "/schedules"), ("POST", ":pause"), ("POST", ":resume"), ("DELETE", "/")],
    "kubeflow": [
        ("POST", "/recurringruns"),
        ("POST", ":disable"),
        ("POST", ":enable"),
        ("DELETE", "/"),
    ],
}


@pytest.mark.parametrize("step", range(4))
def test_a_step_that_is_refused_leaves_one_active_and_the_next_apply_finishes(place, step, request):
    apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    wanted = wanted_schedule(place.compile(image="w2v:2"), MONDAYS)
    steps = STEPS[request.node.callspec.params["place"]]
    place.server.fail(*steps[step], status=403, message="no")
    with pytest.raises(W2vError, match="no"):
        apply_schedule(place.service, wanted)
    assert place.server.states("digits").count("active") == 1
    apply_schedule(place.service, wanted)
    assert place.server.states("digits") == ["active"]
    assert apply_schedule(place.service, wanted).change == "unchanged"


def test_what_is_put_back_is_the_old_one_alone(place, request):
    before = apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    resume = STEPS[request.node.callspec.params["place"]][2]
    place.server.fail(*resume, status=403, carried_out=True)
    with pytest.raises(W2vError):
        apply_schedule(place.service, wanted_schedule(place.compile(image="w2v:2"), MONDAYS))
    (left,) = place.service.find("digits")
    assert (left.id, left.state) == (before.schedule.id, "active")


def test_no_two_are_active_at_any_time(place, request):
    apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    active_after_each_request = []
    respond = place.server.respond

    def watched(asked):
        answer = respond(asked)
        active_after_each_request.append(place.server.states("digits").count("active"))
        return answer

    place.server.respond = watched
    apply_schedule(place.service, wanted_schedule(place.compile(image="w2v:2"), MONDAYS))
    # Vertex AI makes active ones only; the next request pauses it.
    moments = {"vertex": 1, "kubeflow": 0}[request.node.callspec.params["place"]]
    assert active_after_each_request.count(2) == moments
    assert max(active_after_each_request) <= 1 + moments


class KilledError(BaseException):
    """As if the process ended here: nobody catches it, nothing is put back."""


@pytest.mark.parametrize("doing", ["pause", "resume", "delete"])
@pytest.mark.parametrize("paused", [False, True], ids=["active", "paused"])
def test_what_a_killed_apply_began_the_next_one_finishes(place, monkeypatch, doing, paused):
    before = apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    if paused:
        place.service.pause(before.schedule)
    wanted = wanted_schedule(place.compile(image="w2v:2"), MONDAYS)

    def killed(*_, **__):
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(type(place.service), doing, killed)
        with contextlib.suppress(KilledError):
            apply_schedule(place.service, wanted)
    apply_schedule(place.service, wanted)
    assert place.server.states("digits") == ["paused" if paused else "active"]
    (kept,) = place.service.find("digits")
    assert kept.digest == place.service.digest(wanted)


def test_a_service_that_stays_away_is_told_with_what_to_do(place, request):
    apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    wanted = wanted_schedule(place.compile(image="w2v:2"), MONDAYS)
    _, _, resume, delete = STEPS[request.node.callspec.params["place"]]
    place.server.fail(*resume, times=1000)
    place.server.fail(*delete, times=1000)
    with pytest.raises(W2vError, match="may be paused now: apply it again"):
        apply_schedule(place.service, wanted)
    assert "active" not in place.server.states("digits")
    place.server.mend()
    apply_schedule(place.service, wanted)
    assert place.server.states("digits") == ["active"]


def test_a_creation_whose_answer_is_lost_is_not_made_twice(place, request):
    create = STEPS[request.node.callspec.params["place"]][0]
    place.server.fail(*create, status=503, carried_out=True)
    applied = apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    assert applied.change == "created"
    assert place.server.states("digits") == ["active"]


@pytest.mark.parametrize("step", range(1, 4))
def test_a_step_whose_answer_is_lost_is_not_taken_for_refused(place, step, request):
    before = apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    steps = STEPS[request.node.callspec.params["place"]]
    place.server.fail(*steps[step], status=503, carried_out=True)
    after = apply_schedule(place.service, wanted_schedule(place.compile(image="w2v:2"), MONDAYS))
    assert after.schedule.id != before.schedule.id
    assert place.server.states("digits") == ["active"]


def test_a_schedule_of_somebody_else_is_left_alone(place):
    apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    if place.server.__class__.__name__ == "VertexServer":
        (kept,) = place.server.schedules.values()
        kept["createPipelineJobRequest"]["pipelineJob"]["labels"] = {}
    else:
        (kept,) = place.server.recurring.values()
        kept["description"] = "by hand"
    assert place.service.find() == []
    assert (
        apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS)).change == "created"
    )


def test_all_pages_of_a_list_are_read(place):
    for name in ("a", "b", "c"):
        apply_schedule(place.service, wanted_schedule(place.compile(name=name), MONDAYS))
    place.server.page = 2
    assert [one.name for one in place.service.find()] == ["a", "b", "c"]


def test_pausing_and_resuming_go_by_name(place):
    apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    place.service.pause(named_schedule(place.service, "digits"))
    assert place.server.states("digits") == ["paused"]
    place.service.resume(named_schedule(place.service, "digits"), catch_up=False)
    assert place.server.states("digits") == ["active"]
    with pytest.raises(BadInputError, match="has no schedule 'letters' of ours"):
        named_schedule(place.service, "letters")


def test_a_schedule_that_has_ended_is_neither_paused_nor_resumed(vertex):
    apply_schedule(vertex.service, wanted_schedule(vertex.compile(), MONDAYS))
    (kept,) = vertex.server.schedules.values()
    kept["state"] = "COMPLETED"
    with pytest.raises(BadInputError, match="has come to its end; apply it again with a later"):
        named_schedule(vertex.service, "digits")


def test_deleting_what_is_gone_is_no_error(place):
    applied = apply_schedule(place.service, wanted_schedule(place.compile(), MONDAYS))
    place.service.delete(applied.schedule)
    place.service.delete(applied.schedule)
    assert place.server.states("digits") == []


def test_a_schedule_that_never_runs_is_refused(place):
    pipeline = place.compile()
    with pytest.raises(BadInputError, match="a day that never comes"):
        wanted_schedule(pipeline, ScheduleConfig("0 3 30 2 *"))
    with pytest.raises(BadInputError, match="name a later time"):
        wanted_schedule(pipeline, replace(MONDAYS, end="2020-01-01"))


def test_a_file_without_a_data_date_is_refused(place):
    pipeline = place.compile()
    del pipeline.spec["root"]["inputDefinitions"]["parameters"]["data_date"]
    with pytest.raises(BadInputError, match="takes no runtime parameter data_date; compile it"):
        wanted_schedule(pipeline, MONDAYS)


def test_a_date_that_is_another_in_the_files_zone_is_found(vertex):
    night = ScheduleConfig("30 0 * * *", "Europe/Berlin")
    wanted = wanted_schedule(vertex.compile(timezone="UTC"), night)
    assert first_run_dated_otherwise(wanted).strftime("%H:%M") == "00:30"
    morning = replace(night, cron="0 6 * * *")
    assert first_run_dated_otherwise(wanted_schedule(vertex.compile(), morning)) is None
    same = wanted_schedule(vertex.compile(timezone="Europe/Berlin"), night)
    assert first_run_dated_otherwise(same) is None
