"""A custom job's own command, as it was written for Vertex AI and as a machine of it runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tfx.extensions.google_cloud_ai_platform.constants import VERTEX_REGION_KEY
from tfx.extensions.google_cloud_ai_platform.trainer.executor import TRAINING_ARGS_KEY
from tfx.types.standard_artifacts import Model

from kubeflow.container import custom_job, job
from kubeflow.image.contents import CHECKOUT
from tests.kubeflow.container import small_executors as executors


@pytest.fixture(autouse=True)
def found_by_tfx(monkeypatch):
    monkeypatch.syspath_prepend(executors.FOLDER)


def command_of(executor: type, model: Path) -> list[str]:
    """What the first machine of a job with this executor is told to run."""
    pool = {"replica_count": 1, "container_spec": {"image_uri": "registry/w2v"}}
    told = {
        TRAINING_ARGS_KEY: {"project": "my-project", "job_spec": {"worker_pool_specs": [pool]}},
        VERTEX_REGION_KEY: "us-central1",
        custom_job.EXECUTOR_KEY: f"{executors.MODULE}.{executor.__name__}",
        "lamps": 2,
    }
    artifact = Model()
    artifact.uri = str(model)
    properties = {"custom_config": json.dumps(told)}
    _, written = custom_job.wanted_job({}, {"model": [artifact]}, properties)
    container = written.job_spec.worker_pool_specs[0].container_spec
    return [*container.command, *container.args]


def run(executor: type, model: Path) -> int:
    python, module_flag, module, *words = command_of(executor, model)
    assert (python, module_flag, module) == ("python", "-m", job.__name__)
    return job.main(words)


def test_the_executor_gets_its_artifacts_and_properties(tmp_path):
    assert run(executors.Writes, tmp_path / "model") == 0
    told = json.loads((tmp_path / "model" / "told.json").read_text())
    assert json.loads(told["custom_config"]) == {"lamps": 2}


def test_an_error_of_ours_is_one_sentence_and_its_exit_code(tmp_path, capsys):
    assert run(executors.Fails, tmp_path / "model") == 2
    assert capsys.readouterr().err.splitlines()[-1] == "w2v: There is no lamp; buy one."


@pytest.mark.slow  # TFX is imported in a process of its own
def test_a_real_machine_that_is_taken_away_saves_its_work_and_asks_to_be_tried_again(tmp_path):
    model = tmp_path / "model"
    with started(executors.SavesWhenStopped, model) as machine:
        while not model.exists() and machine.poll() is None:
            time.sleep(0.1)
        machine.send_signal(signal.SIGTERM)
        said = machine.communicate(timeout=300)[1]
    assert machine.returncode == 143
    assert said.splitlines()[-1] == "w2v: The machine is being taken away; start again."
    assert (model / "saved").exists()


@pytest.mark.slow  # as above
def test_a_real_machine_tells_an_error_in_one_sentence(tmp_path):
    with started(executors.Fails, tmp_path / "model") as machine:
        said = machine.communicate(timeout=300)[1]
    assert machine.returncode == 2
    assert said.splitlines()[-1] == "w2v: There is no lamp; buy one."


def started(executor: type, model: Path) -> subprocess.Popen:
    python, *words = command_of(executor, model)
    assert python == "python"
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=CHECKOUT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(executors.FOLDER)},
        stderr=subprocess.PIPE,
        text=True,
    )
