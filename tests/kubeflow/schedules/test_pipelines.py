"""What Kubeflow Pipelines is asked for, and what its errors become."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kubeflow.names import SCHEDULED_TIME
from kubeflow.schedules.apply import apply_schedule, wanted_schedule
from kubeflow.schedules.asking import ServiceError
from kubeflow.schedules.pipelines import connect_to_kfp
from kubeflow.schedules.service import Outcome, WantedRun
from models.errors import BadInputError
from pipeline.cluster_config import ClusterConfig, KfpConfig, ScheduleConfig
from tests.kubeflow.schedules.conftest import kfp_service

MONDAYS = ScheduleConfig("0 3 * * 1", max_concurrent=2, start="2026-01-01", end="2099-01-01")


def test_everything_of_the_config_reaches_the_recurring_run(kubeflow):
    apply_schedule(kubeflow.service, wanted_schedule(kubeflow.compile(), MONDAYS))
    (kept,) = kubeflow.server.recurring.values()
    timing = kept["trigger"]["cron_schedule"]
    assert timing["cron"] == "0 0 3 * * 1"  # with seconds
    assert timing["start_time"].startswith("2026-01-01T00:00:00")
    assert timing["end_time"].startswith("2099-01-01T00:00:00")
    assert (kept["max_concurrency"], kept["no_catchup"]) == ("2", True)
    assert kept["service_account"] == "runner"
    (experiment,) = kubeflow.server.experiments.values()
    assert experiment["display_name"] == "Default"
    inputs = kept["pipeline_spec"]["root"]["dag"]["tasks"]["Gen"]["inputs"]["parameters"]
    assert inputs["run_data_date"] == {"runtimeValue": {"constant": SCHEDULED_TIME}}


def test_what_kubernetes_is_told_goes_along(kubeflow):
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {}}}}
    pipeline = replace(kubeflow.compile(), platform=platform)
    apply_schedule(kubeflow.service, wanted_schedule(pipeline, MONDAYS))
    (kept,) = kubeflow.server.recurring.values()
    assert kept["pipeline_spec"]["platform_spec"] == platform
    assert kept["pipeline_spec"]["pipeline_spec"]["pipelineInfo"]["name"] == "digits"


def test_catching_up_is_a_setting(kubeflow):
    timing = ScheduleConfig("0 3 * * 1", catch_up=True)
    apply_schedule(kubeflow.service, wanted_schedule(kubeflow.compile(), timing))
    (kept,) = kubeflow.server.recurring.values()
    assert kept["no_catchup"] is False


def test_a_zone_with_another_time_than_utc_is_refused(kubeflow):
    berlin = ScheduleConfig("0 3 * * 1", "Europe/Berlin")
    with pytest.raises(BadInputError, match="cannot be told the time zone Europe/Berlin"):
        apply_schedule(kubeflow.service, wanted_schedule(kubeflow.compile(), berlin))
    assert kubeflow.server.recurring == {}
    same = ScheduleConfig("0 3 * * 1", "Etc/UTC")
    apply_schedule(kubeflow.service, wanted_schedule(kubeflow.compile(), same))
    assert len(kubeflow.server.recurring) == 1


@pytest.mark.parametrize("name", ["network", "encryption_key"])
def test_what_only_vertex_would_see_to_is_refused(name):
    cluster = ClusterConfig(kfp=KfpConfig(host="http://localhost"), **{name: "some"})
    with pytest.raises(BadInputError, match=f"cluster.{name} is of Vertex AI alone"):
        connect_to_kfp(cluster)


def test_a_run_is_submitted_once_however_often_it_is_tried(kubeflow):
    run = WantedRun(kubeflow.compile(), "digits-for-2026-01-31", {"data_date": "2026-01-31"})
    kubeflow.server.fail("POST", "/runs", status=503, carried_out=True)
    submitted = kubeflow.service.submit(run)
    again = kubeflow.service.submit(run)
    assert (again, again.found) == (submitted, True)
    (kept,) = kubeflow.server.runs.values()
    assert kept["runtime_config"]["parameters"] == {"data_date": "2026-01-31"}
    assert submitted.address == f"{kubeflow.server.host}/#/runs/details/{submitted.id}"


def test_an_outcome_is_told_with_the_services_reason_once_there_is_one(kubeflow):
    run = kubeflow.service.submit(WantedRun(kubeflow.compile(), "digits-span-1", {"span": "1"}))
    assert kubeflow.service.outcome(run) is None
    (kept,) = kubeflow.server.submitted()
    kubeflow.server.end(kept, "failed", "The pod was evicted.")
    assert kubeflow.service.outcome(run) == Outcome("failed", "The pod was evicted.")
    kubeflow.server.end(kept, "succeeded")
    assert kubeflow.service.outcome(run) == Outcome("succeeded")


def test_without_a_reason_of_the_run_its_failed_tasks_tell_one(kubeflow):
    run = kubeflow.service.submit(WantedRun(kubeflow.compile(), "digits-span-1", {"span": "1"}))
    (kept,) = kubeflow.server.submitted()
    kubeflow.server.end(kept, "cancelled")
    assert kubeflow.service.outcome(run) == Outcome("cancelled", "the service does not say why")
    failed = {"display_name": "trainer", "state": "FAILED", "error": {"message": "exit code 2"}}
    well = {"display_name": "transform", "state": "SUCCEEDED"}
    unexplained = {"display_name": "gate", "state": "FAILED"}
    kept["run_details"] = {"task_details": [well, failed, unexplained]}
    assert kubeflow.service.outcome(run) == Outcome("cancelled", "trainer: exit code 2; gate")


@pytest.mark.parametrize("state", ["FAILED", "CANCELED"])
def test_a_run_that_failed_is_submitted_again_under_another_name(kubeflow, state):
    run = WantedRun(kubeflow.compile(), "digits-span-1", {"span": "1"})
    for _ in range(2):
        kubeflow.server.runs[kubeflow.service.submit(run).id]["state"] = state
    third = kubeflow.service.submit(run)
    assert not third.found
    assert kubeflow.service.submit(run) == third
    names = [one["display_name"] for one in kubeflow.server.runs.values()]
    assert names == ["digits-span-1", "digits-span-1-2", "digits-span-1-3"]


def test_the_namespace_is_told_and_then_nobody_asks_for_it(kfp_server):
    service = kfp_service(kfp_server, namespace="speech")
    service.find()
    (listed,) = kfp_server.asked
    assert listed.query["namespace"] == "speech"


@pytest.mark.parametrize("kind", ["env", "file"])
def test_the_token_is_read_where_it_lies_and_never_told(kfp_server, kind, tmp_path, monkeypatch):
    kfp_server.token = "s3cr3t"
    (tmp_path / "token").write_text("s3cr3t\n")
    monkeypatch.setenv("KFP_TOKEN", "s3cr3t")
    token = {"env": "env:KFP_TOKEN", "file": f"file:{tmp_path}/token"}[kind]
    assert kfp_service(kfp_server, token=token).find() == []
    kfp_server.token = "another"
    with pytest.raises(BadInputError, match=r"not accept .*; check cluster\.kfp\.token") as error:
        kfp_service(kfp_server, token=token)
    assert "s3cr3t" not in str(error.value)


def test_a_token_that_is_not_there_is_named_by_its_place(kfp_server, tmp_path, monkeypatch):
    monkeypatch.delenv("KFP_TOKEN", raising=False)
    with pytest.raises(BadInputError, match=r"cluster\.kfp\.token says env:KFP_TOKEN, but"):
        kfp_service(kfp_server, token="env:KFP_TOKEN")
    with pytest.raises(BadInputError, match="which cannot be read"):
        kfp_service(kfp_server, token=f"file:{tmp_path}/none")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_is_tried_again(kubeflow, status):
    kubeflow.server.fail("GET", "/recurringruns", status=status, times=2)
    assert kubeflow.service.find() == []


def test_errors_are_one_sentence(kubeflow):
    kubeflow.server.fail("GET", "/recurringruns", 503, "Down.", times=1000)
    with pytest.raises(
        ServiceError, match=r"^Kubeflow Pipelines at http://127.* failed to list .*503\): Down; try"
    ):
        kubeflow.service.find()
    kubeflow.server.mend()
    kubeflow.server.fail("GET", "/recurringruns", 403, "User 'x' is not authorized.")
    with pytest.raises(BadInputError, match=r"does not allow .*: User 'x' is not authorized; ask"):
        kubeflow.service.find()
    too_many = ScheduleConfig("0 3 * * 1", max_concurrent=11)
    with pytest.raises(BadInputError, match="Max concurrency must be at least 1 and at most 10"):
        apply_schedule(kubeflow.service, wanted_schedule(kubeflow.compile(), too_many))


def test_a_service_that_does_not_answer_is_one_sentence(kfp_server):
    service = kfp_service(kfp_server, read_seconds=0.1)
    kfp_server.fail("GET", "/recurringruns", seconds=0.3, times=50)
    with pytest.raises(ServiceError, match=r"did not answer .*\(no answer in time\)"):
        service.find()
    kfp_server.port = 1
    with pytest.raises(ServiceError, match=r"say whether it is up .*Connection refused"):
        kfp_service(kfp_server)


def test_without_a_host_the_setting_is_named():
    with pytest.raises(BadInputError, match=r"cluster\.kfp\.host is missing"):
        connect_to_kfp(ClusterConfig())
