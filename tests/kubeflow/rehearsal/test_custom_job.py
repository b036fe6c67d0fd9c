"""An executor that starts a custom job of Vertex AI: the job's own command runs here."""

import json

import pytest

from kubeflow.image.contents import stage_image
from kubeflow.rehearsal.rehearse import rehearse
from kubeflow.rehearsal.spec import read_compiled
from tests.kubeflow.rehearsal.tiny_pipeline import Task, write_job

# What a node does that trains elsewhere: launch, then look until it has ended.
LAUNCHES = """
import sys

from google.cloud.aiplatform.gapic import JobServiceClient
from google.cloud.aiplatform_v1.types import JobState


def launch(*command):
    container = {"command": command, "env": [{"name": "RANK", "value": "0"}]}
    pools = [{"container_spec": container, "replica_count": 1}]
    job = {"display_name": "training", "job_spec": {"worker_pool_specs": pools}}
    client = JobServiceClient(client_options={"api_endpoint": "somewhere.googleapis.com"})
    launched = client.create_custom_job(parent="projects/p/locations/r", custom_job=job)
    seen = client.get_custom_job(name=launched.name, retry=None)
    print("ended as", seen.name, JobState(seen.state).name, flush=True)


launch("python", "-c", "import os; print('trained as', os.environ['RANK'])")
launch("python", "-c", "raise SystemExit(1)")
"""


@pytest.mark.slow  # Google's client alone takes ten seconds to import
def test_the_jobs_command_runs_here_and_its_state_comes_back(tmp_path):
    code = stage_image(tmp_path / "code")
    (code / "components" / "launching.py").write_text(LAUNCHES)
    trains = Task(
        constants={"custom_config": json.dumps({"ai_platform_training_args": {"project": "p"}})},
        container={"command": ["python", "-m", "components.launching"]},
    )
    compiled = write_job(tmp_path / "compiled.json", {"Trainer": trains})
    (trainer,) = rehearse(read_compiled(compiled), tmp_path / "root", code=code).tasks
    told = trainer.log.read_text()
    assert "trained as 0\nended as projects/p/locations/r/customJobs/1 JOB_STATE_SUCCEEDED" in told
    assert "JOB_STATE_FAILED" in told
    (note,) = trainer.notes
    assert "was not sent to Vertex AI" in note
