"""What Vertex AI is asked for, and what its errors become."""

from __future__ import annotations

import datetime

import pytest
from google.auth.credentials import AnonymousCredentials
from google.oauth2.credentials import Credentials as UserCredentials

from kubeflow.names import SCHEDULED_TIME
from kubeflow.schedules.apply import apply_schedule, wanted_schedule
from kubeflow.schedules.asking import ServiceError
from kubeflow.schedules.google_client import account_of
from kubeflow.schedules.service import Outcome, WantedRun
from kubeflow.schedules.vertex import connect_to_vertex
from models.errors import BadInputError
from pipeline.cluster_config import ClusterConfig, ScheduleConfig
from tests.kubeflow.schedules.conftest import ACCOUNT, CLUSTER, vertex_service
from tests.kubeflow.schedules.vertex_server import NEXT_RUN

BERLIN = ScheduleConfig("0 3 * * 1", "Europe/Berlin", max_concurrent=2, end="2099-01-01")


def test_everything_of_the_config_reaches_the_schedule(vertex):
    apply_schedule(vertex.service, wanted_schedule(vertex.compile(), BERLIN))
    (kept,) = vertex.server.schedules.values()
    assert kept["cron"] == "TZ=Europe/Berlin 0 3 * * 1"
    assert kept["endTime"] == "2099-01-01T00:00:00Z"
    assert (kept["maxConcurrentRunCount"], kept["maxConcurrentActiveRunCount"]) == ("2", "2")
    job = kept["createPipelineJobRequest"]["pipelineJob"]
    assert job["serviceAccount"] == CLUSTER.service_account
    assert job["network"] == CLUSTER.network
    assert job["encryptionSpec"] == {"kmsKeyName": CLUSTER.encryption_key}
    assert job["labels"]["team"] == "speech"
    assert job["runtimeConfig"]["gcsOutputDirectory"] == "gs://bucket/w2v/digits"


def test_each_run_is_told_when_it_was_due(vertex):
    apply_schedule(vertex.service, wanted_schedule(vertex.compile(), BERLIN))
    (kept,) = vertex.server.schedules.values()
    spec = kept["createPipelineJobRequest"]["pipelineJob"]["pipelineSpec"]
    inputs = spec["root"]["dag"]["tasks"]["Gen"]["inputs"]["parameters"]
    assert inputs["run_data_date"] == {"runtimeValue": {"constant": SCHEDULED_TIME}}


def test_the_next_run_is_the_services_own_word(vertex):
    applied = apply_schedule(vertex.service, wanted_schedule(vertex.compile(), BERLIN))
    assert applied.schedule.next_run == datetime.datetime.fromisoformat(NEXT_RUN)


def test_missed_runs_are_made_up_for_only_if_that_is_asked_for(vertex):
    applied = apply_schedule(vertex.service, wanted_schedule(vertex.compile(), BERLIN))
    (kept,) = vertex.server.schedules.values()
    for catch_up in (False, True):
        vertex.service.pause(applied.schedule)
        vertex.service.resume(applied.schedule, catch_up)
        assert kept["catchUp"] is catch_up


def test_a_run_is_submitted_once_however_often_it_is_tried(vertex):
    run = WantedRun(vertex.compile(), "digits-for-2026-01-31", {"data_date": "2026-01-31"})
    vertex.server.fail("POST", "/pipelineJobs", status=503, carried_out=True)
    submitted = vertex.service.submit(run)
    again = vertex.service.submit(run)
    assert (again, again.found) == (submitted, True)
    (job,) = vertex.server.jobs.values()
    assert job["runtimeConfig"]["parameterValues"] == {"data_date": "2026-01-31"}
    assert job["serviceAccount"] == CLUSTER.service_account
    assert submitted.address.endswith("/runs/digits-for-2026-01-31?project=my-project")


def test_an_outcome_is_told_with_the_services_reason_once_there_is_one(vertex):
    run = vertex.service.submit(WantedRun(vertex.compile(), "digits-span-1", {"span": "1"}))
    assert vertex.service.outcome(run) is None
    (job,) = vertex.server.submitted()
    vertex.server.end(job, "failed", "The DAG failed because\nsome tasks failed: [Trainer].")
    assert vertex.service.outcome(run) == Outcome(
        "failed", "The DAG failed because some tasks failed: [Trainer]."
    )
    vertex.server.end(job, "succeeded")
    assert vertex.service.outcome(run) == Outcome("succeeded")


def test_without_a_reason_of_the_run_its_failed_tasks_tell_one(vertex):
    run = vertex.service.submit(WantedRun(vertex.compile(), "digits-span-1", {"span": "1"}))
    (job,) = vertex.server.submitted()
    vertex.server.end(job, "cancelled")
    assert vertex.service.outcome(run) == Outcome("cancelled", "the service does not say why")
    failed = {"taskName": "Trainer", "state": "FAILED", "error": {"code": 9, "message": "OOM"}}
    job["jobDetail"] = {"taskDetails": [{"taskName": "Transform", "state": "SUCCEEDED"}, failed]}
    assert vertex.service.outcome(run) == Outcome("cancelled", "Trainer: OOM")


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_run_that_failed_is_submitted_again_under_another_id(vertex, state):
    run = WantedRun(vertex.compile(), "digits-span-1", {"span": "1"})
    for _ in range(2):
        vertex.service.submit(run)
        list(vertex.server.jobs.values())[-1]["state"] = f"PIPELINE_STATE_{state}"
    third = vertex.service.submit(run)
    assert not third.found
    assert third.address.endswith("/runs/digits-span-1-3?project=my-project")
    assert third.id in vertex.server.jobs
    assert vertex.service.submit(run) == third
    assert len(vertex.server.jobs) == 3


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(vertex, status):
    vertex.server.fail("GET", "/schedules", status=status, times=2)
    assert vertex.service.find() == []
    assert len(vertex.server.requests("GET", "/schedules")) == 3


def test_quota_that_stays_used_up_is_one_sentence(vertex):
    vertex.server.fail("GET", "/schedules", 429, "Quota exceeded for schedules.", times=1000)
    with pytest.raises(
        ServiceError,
        match=r"^Vertex AI \(my-project, us-central1\) has no quota left to list its schedules "
        r"\(asked \d+ times\): Quota exceeded for schedules; try again later, or ask for more",
    ) as error:
        vertex.service.find()
    assert error.value.exit_code == 1


def test_a_service_that_fails_on_is_one_sentence(vertex):
    vertex.server.fail("GET", "/schedules", 503, "Down.", times=1000)
    with pytest.raises(ServiceError, match=r"failed to list .*error 503\): Down; try"):
        vertex.service.find()


def test_a_missing_permission_names_the_account_and_is_not_tried_again(vertex):
    message = "Permission 'aiplatform.schedules.create' denied on resource '//aiplatform/p'."
    vertex.server.fail("POST", "/schedules", 403, message, times=1000)
    with pytest.raises(BadInputError) as error:
        apply_schedule(vertex.service, wanted_schedule(vertex.compile(), BERLIN))
    assert str(error.value).startswith(
        f"Vertex AI (my-project, us-central1) does not allow {ACCOUNT} to create the schedule "
        "'digits': Permission 'aiplatform.schedules.create' denied"
    )
    assert "roles/aiplatform.user" in str(error.value)
    assert len(vertex.server.requests("POST", "/schedules")) == 1


def test_a_refused_request_is_told_in_the_services_words(vertex):
    vertex.server.fail("POST", "/schedules", 400, "The network is not peered.")
    with pytest.raises(BadInputError, match=r"refuses to create .*400\): The network is not peer"):
        apply_schedule(vertex.service, wanted_schedule(vertex.compile(), BERLIN))


def test_a_service_that_does_not_answer_in_time_is_asked_again(vertex_server):
    service = vertex_service(vertex_server, request_seconds=0.1)
    vertex_server.fail("GET", "/schedules", seconds=0.3)
    assert service.find() == []
    vertex_server.fail("GET", "/schedules", seconds=0.3, times=50)
    with pytest.raises(ServiceError, match=r"did not answer when asked .*\(no answer in time\)"):
        service.find()


def test_a_service_that_is_not_there_is_one_sentence(vertex):
    vertex.server.port = 1
    with pytest.raises(ServiceError, match=r"did not answer .*Connection refused\); check"):
        vertex_service(vertex.server).find()


def test_without_credentials_the_cure_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(BadInputError, match="run gcloud auth application-default login"):
        connect_to_vertex(CLUSTER)


def test_without_a_project_the_setting_is_named():
    with pytest.raises(BadInputError, match=r"cluster\.project is missing"):
        connect_to_vertex(ClusterConfig())


def test_credentials_that_have_run_out_are_one_sentence(vertex_server):
    credentials = UserCredentials(
        token=None,
        refresh_token="old",
        token_uri=f"http://127.0.0.1:{vertex_server.port}/token",
        client_id="w2v",
        client_secret="unused",
    )
    vertex_server.fail("POST", "/token", 400, "Token has been expired or revoked.", times=50)
    with pytest.raises(BadInputError, match=r"not accept the credentials: .*login again") as error:
        vertex_service(vertex_server, credentials=credentials).find()
    assert "old" not in str(error.value)


def test_the_account_is_named_where_the_credentials_say_it():
    class OfAMachine(AnonymousCredentials):
        service_account_email = "default"  # as Compute Engine's say until they are asked

    class OfAnAccount(AnonymousCredentials):
        service_account_email = ACCOUNT

    assert account_of(OfAnAccount()) == ACCOUNT
    assert account_of(OfAMachine()) == "the account of this machine's credentials"
