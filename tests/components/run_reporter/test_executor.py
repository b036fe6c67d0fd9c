"""The exit handler: what a cluster says of a run's end becomes an alert, or none."""

import json

import pytest
from google.protobuf import json_format, struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.kubeflow.decorators import FinalStatusStr

from components.run_reporter.component import RunReporter
from components.run_reporter.config import AlertsConfig
from components.run_reporter.executor import Executor
from components.run_reporter.final_status import read_final_status

JOB = "projects/speech/locations/europe-west4/pipelineJobs/demo-20261122"
TROUBLE = "The DAG failed because some tasks failed. The failed tasks are: [Trainer]."


def final_status(**fields) -> str:
    """As the cluster writes it."""
    return json_format.MessageToJson(pipeline_spec_pb2.PipelineTaskFinalStatus(**fields))


def run(status) -> None:
    """The node's executor with the properties that its component gives it."""
    node = RunReporter(
        "demo", AlertsConfig(webhook="env:W2V_WEBHOOK"), "gs://bucket/w2v", final_status=status
    )
    Executor().Do({}, {}, dict(node.exec_properties))


def shown(message: dict) -> str:
    return "\n".join(block["text"]["text"] for block in message["blocks"])


def test_the_cluster_is_asked_for_the_status_unless_one_is_given():
    node = RunReporter("demo", AlertsConfig(), "gs://bucket/w2v")
    assert isinstance(node.exec_properties["final_status"], FinalStatusStr)


def test_a_run_that_failed_is_told_with_its_error_and_the_page_of_its_job(webhook):
    run(
        final_status(
            state="FAILED",
            error={"code": 9, "message": TROUBLE},
            pipeline_job_resource_name=JOB,
            pipeline_task_name="tfx-dag",
        )
    )
    (message,) = webhook.messages
    assert "*demo failed*" in shown(message)
    assert TROUBLE in shown(message)
    assert (
        "<https://console.cloud.google.com/vertex-ai/pipelines/locations/europe-west4/runs/"
        "demo-20261122?project=speech|The run>" in shown(message)
    )


def test_a_run_of_another_service_is_told_with_the_folder_of_its_artifacts(webhook):
    run(final_status(state="FAILED", pipeline_job_resource_name="demo-abc12"))
    (message,) = webhook.messages
    assert "The run ended as failed" in shown(message)
    assert "<https://console.cloud.google.com/storage/browser/bucket/w2v|" in shown(message)


@pytest.mark.parametrize("said", ["SUCCEEDED", "COMPLETE", "CACHED"])
def test_a_run_that_ended_well_is_no_alert(webhook, said):
    """In the words of Vertex AI, and of Kubeflow's, which are ML Metadata's."""
    run(final_status(state=said, pipeline_job_resource_name=JOB))
    assert webhook.messages == []


@pytest.mark.parametrize("status", ["", "Failed", "[]", json.dumps({"error": "out of memory"})])
def test_a_status_that_cannot_be_read_counts_as_no_success(webhook, status):
    run(status)
    assert len(webhook.messages) == 1


def test_a_status_that_the_cluster_has_read_already_is_taken_as_it_is():
    struct = struct_pb2.Struct()
    struct.update({"state": "FAILED", "error": {"message": TROUBLE}})
    assert read_final_status(struct).sentence == TROUBLE


def test_a_run_that_was_cancelled_is_told_too(webhook):
    run(final_status(state="CANCELLED", pipeline_job_resource_name=JOB))
    assert "The run ended as cancelled" in shown(webhook.messages[0])
