"""`w2v rehearse`: what a person and a machine are told, and with which exit code."""

import json

import pytest
from click.testing import CliRunner

from kubeflow.commands.rehearse import command
from models.errors import BadInputError
from tests.kubeflow.rehearsal.tiny_pipeline import Task, write_job

MAKES = Task(code='write("made", "x")', makes={"made": "tfx.Examples"})
BREAKS = Task(
    code="raise ModuleNotFoundError(\"No module named 'gone'\")", takes={"it": "Makes.made"}
)
REFUSES = Task(code='say(blessing={"blessed": 0})', makes={"blessing": "tfx.ModelBlessing"})


def run(tmp_path, tasks, *options):
    compiled = write_job(tmp_path / "compiled.json", tasks)
    return CliRunner().invoke(command, [str(compiled), "--root", str(tmp_path / "root"), *options])


def test_a_pipeline_that_runs_through_says_so(tmp_path):
    done = run(tmp_path, {"Makes": MAKES})
    assert done.exit_code == 0, done.output
    assert "Ran through  1 of 1 tasks" in done.output
    assert [line.split()[0] for line in done.output.splitlines() if "succeeded" in line] == [
        "Makes"
    ]


def test_a_task_that_would_fail_is_named_with_its_cause_and_its_last_words(tmp_path):
    done = run(tmp_path, {"Makes": MAKES, "Breaks": BREAKS, "Waits": Task(after=("Breaks",))})
    assert done.exit_code == 1
    assert "Would fail  Breaks: The image does not hold the module gone." in done.output
    assert "ModuleNotFoundError: No module named 'gone'" in done.output
    assert "not triggered" in done.output and "Logs    " in done.output


def test_a_refusal_by_the_gate_is_no_failure_but_has_its_exit_code(tmp_path):
    done = run(tmp_path, {"Gate": REFUSES})
    assert done.exit_code == 3
    assert "the gate refused the model" in done.output


def test_a_machine_reads_json(tmp_path):
    done = run(tmp_path, {"Makes": MAKES}, "--json")
    told = json.loads(done.stdout)
    assert (told["pipeline"], told["succeeded"], told["refused"]) == ("tiny", True, False)
    (task,) = told["tasks"]
    assert task["outputs"]["made"][0].startswith("gs://bucket/root/")
    assert task["exit_code"] == 0 and task["seconds"] > 0


def test_a_bad_file_is_bad_input(tmp_path):
    done = CliRunner().invoke(command, [str(tmp_path / "none.json")])
    assert isinstance(done.exception, BadInputError) and done.exception.exit_code == 2


@pytest.mark.parametrize("option", ["--mount", "--set", "--retries", "--image", "--json", "--root"])
def test_help_names_every_option(option):
    assert option in CliRunner().invoke(command, ["--help"]).output
