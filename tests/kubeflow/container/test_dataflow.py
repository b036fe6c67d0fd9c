"""A node's Dataflow job ends with the node: Beam's own client against a loopback server."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kubeflow.container import dataflow, node
from kubeflow.image.contents import CHECKOUT
from tests.kubeflow.container import small_executors as executors
from tests.kubeflow.container.dataflow_server import serving_dataflow

GEN = "components.speech_example_gen.executor.Executor"


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setattr(dataflow, "SECONDS_TO_ARRIVE", 0.01)
    monkeypatch.syspath_prepend(executors.FOLDER)
    with serving_dataflow() as service:
        yield service


def name_in(flags: list[str]) -> str:
    (name,) = [flag.partition("=")[2] for flag in flags if flag.startswith("--job_name=")][-1:]
    return name


def told(folder: Path) -> str:
    return json.dumps({"inputs": {}, "outputs": {"outputFile": str(folder / "output.json")}})


def words(executor: type, folder: Path, *flags: str) -> list[str]:
    path = f"{executors.MODULE}.{executor.__name__}"
    given = ("--executor_class_path", path, "--json_serialized_invocation_args", told(folder))
    return [*given, *flags]


def test_each_try_names_its_job_after_the_node_and_as_no_other(service):
    names = [name_in(dataflow.with_job_name(service.flags(), GEN)) for _ in range(2)]
    assert names[0] != names[1]
    assert all(name.startswith("speech-example-gen-") for name in names)


def test_a_name_that_the_config_gives_is_kept_in_front(service):
    flags = dataflow.with_job_name(service.flags("--job_name=nightly"), GEN)
    assert name_in(flags).startswith("nightly-")


@pytest.mark.parametrize("executor", ["", "Executor", "executor.Executor"])
def test_an_executor_without_a_package_has_a_name_all_the_same(executor, service):
    assert name_in(dataflow.with_job_name(service.flags(), executor)).startswith("node-")


def test_of_all_jobs_that_run_only_this_trys_is_cancelled(service):
    # Given several of the project, on more than one page of the list
    flags = dataflow.with_job_name(service.flags(), GEN)
    for name in ("another", "speech-example-gen-0", "yet-another", name_in(flags)):
        service.send(name)
    # When the node ends
    dataflow.end_job(flags)
    # Then
    assert service.states() == ["RUNNING", "RUNNING", "RUNNING", "CANCELLED"]


def test_a_job_that_was_on_its_way_is_found_when_it_has_arrived(service, monkeypatch):
    flags = dataflow.with_job_name(service.flags(), GEN)
    monkeypatch.setattr(dataflow.time, "sleep", lambda _: service.send(name_in(flags)))
    dataflow.end_job(flags)
    assert service.states() == ["CANCELLED"]


def test_a_job_that_cannot_be_cancelled_hides_no_cause(service, caplog):
    flags = dataflow.with_job_name(service.flags(), GEN)
    service.send(name_in(flags))
    service.denied = True
    dataflow.end_job(flags)
    assert "the Dataflow job 0 was not cancelled" in caplog.text


def test_a_node_that_fails_leaves_no_job_running(service, tmp_path, capsys):
    assert node.main(words(executors.SendsAndFails, tmp_path, *service.flags())) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "w2v: There is no lamp; buy one."
    assert service.states() == ["CANCELLED"]


def test_without_dataflow_nobody_is_asked(service):
    flags = [flag for flag in service.flags() if not flag.startswith("--runner")]
    assert dataflow.with_job_name(flags, GEN) == flags
    service.send("another")
    dataflow.end_job(flags)
    assert service.states() == ["RUNNING"]


@pytest.mark.slow  # TFX and Beam are imported in a process of its own
def test_a_real_node_that_is_told_to_stop_takes_along_the_job_that_beam_has_sent(tmp_path):
    with serving_dataflow() as service, open(tmp_path / "log", "w") as log:
        places = [f"--{kind}_location={tmp_path}" for kind in ("temp", "staging")]
        flags = service.flags("--sdk_container_image=registry/w2v", *places)
        # Given a node that waits for its job
        process = subprocess.Popen(
            [sys.executable, "-m", node.__name__, *words(executors.Beams, tmp_path, *flags)],
            cwd=CHECKOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(executors.FOLDER)},
            stderr=log,
        )
        while not service.asked.wait(0.1):
            assert process.poll() is None, (tmp_path / "log").read_text()
        # When
        process.send_signal(signal.SIGTERM)
        # Then the job is ended as well, and one sentence says why
        assert (process.wait(300), service.states()) == (143, ["CANCELLED"])
    said = (tmp_path / "log").read_text().splitlines()[-1]
    assert said == "w2v: The container was told to stop before its work was done."
