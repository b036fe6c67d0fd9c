"""A compiled pipeline runs task by task as the service would run it: wiring, order, verdict."""

import json
from pathlib import Path

import pytest

from kubeflow.rehearsal.outcome import Rehearsal, TaskOutcome
from kubeflow.rehearsal.rehearse import rehearse
from kubeflow.rehearsal.spec import read_compiled
from models.errors import BadInputError
from tests.kubeflow.rehearsal.tiny_pipeline import PRELUDE, ROOT, Task, write_job, write_kfp

WHATEVER_HAPPENS = {"triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}}


def run(folder: Path, tasks: dict[str, Task], *, parameters=None, **options) -> Rehearsal:
    """Rehearse the tasks below the folder."""
    compiled = write_job(folder / "compiled.json", tasks, parameters)
    return rehearse(read_compiled(compiled), folder / "root", **options)


def states(rehearsal: Rehearsal) -> dict[str, str]:
    return {task.name: task.state for task in rehearsal.tasks}


def named(rehearsal: Rehearsal, name: str) -> TaskOutcome:
    (task,) = [task for task in rehearsal.tasks if task.name == name]
    return task


def said(rehearsal: Rehearsal, name: str) -> str:
    """What the task printed."""
    return named(rehearsal, name).log.read_text()


@pytest.fixture(scope="module")
def wired(tmp_path_factory) -> tuple[Rehearsal, Path]:
    """One rehearsal with everything that a service wires."""
    folder = tmp_path_factory.mktemp("wired")
    here = folder / "corpus"
    here.mkdir()
    (here / "words.txt").write_text("from the mounted folder")
    make = Task(
        code="""
text = pathlib.Path(given["corpus"], "words.txt").read_text()
write("made", text + ", " + given["span"])
say(made={"words": 3})
print("given", given, sys.argv[2:])
""",
        makes={"made": "tfx.Examples"},
        constants={"corpus": "gs://data/corpus", "due": "{{$.pipeline_job_schedule_time_utc}}"},
        runtime={"span": "span"},
        args=("{{$}}", "{{$.pipeline_job_name}}", "{{$.inputs.parameters['span']}}"),
    )
    use = Task(
        code='print("used", read("it"), taken["it"]["artifacts"][0], os.environ["LEVEL"])',
        takes={"it": "make.made"},
        container={"env": [{"name": "LEVEL", "value": "loud"}]},
    )
    never = Task(
        takes={"it": "make.made"},
        extra={
            "triggerPolicy": {
                "condition": "inputs.artifacts['it'].artifacts[0].metadata['words'] > 3.0"
            }
        },
    )
    rehearsal = run(
        folder,
        {"use": use, "never": never, "make": make},
        parameters={"span": {"parameterType": "STRING", "defaultValue": "newest"}},
        mounts=[f"gs://data/corpus={here}"],
        settings=["span=7"],
    )
    return rehearsal, folder


def test_tasks_run_after_those_that_they_take_from(wired):
    rehearsal, _ = wired
    assert rehearsal.tasks[0].name == "make"
    assert states(rehearsal) == {"make": "SUCCEEDED", "use": "SUCCEEDED", "never": "NOT_TRIGGERED"}


def test_what_one_task_makes_the_next_one_reads_with_its_metadata(wired):
    told = said(wired[0], "use")
    assert "used from the mounted folder, 7" in told
    assert "'words': 3.0" in told and "title: tfx.Examples" in told
    assert told.rstrip().endswith("loud")


def test_placeholders_are_filled_in_arguments_and_in_constants(wired):
    told = said(wired[0], "make")
    assert "['tiny-20" in told and "'7']" in told
    assert "'due': '20" in told


def test_outputs_lie_where_the_service_would_put_them(wired):
    rehearsal, folder = wired
    (address,) = rehearsal.tasks[0].addresses()["made"]
    assert address.startswith(f"{ROOT}/123456789012/tiny-20")
    assert Path(str(folder / "root" / "buckets" / "gs") + address.removeprefix("gs:/")).is_file()


def test_a_task_whose_condition_is_false_is_not_started_and_is_no_failure(wired):
    rehearsal, _ = wired
    assert rehearsal.exit_code == 0
    assert "its condition is false: inputs.artifacts['it']" in named(rehearsal, "never").cause


def test_a_container_sees_nothing_of_this_shell_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    look = Task(code='print(sorted(os.environ), os.getcwd(), os.listdir("."))')
    rehearsal = run(tmp_path, {"look": look})
    told = said(rehearsal, "look")
    assert "SECRET_TOKEN" not in told and "'HOME'" in told
    assert str(Path.cwd()) + "'" not in told and told.rstrip().endswith("[]")
    assert not list((rehearsal.folder / "scratch").iterdir())


def test_after_a_failure_only_the_exit_handler_runs_and_is_told_what_failed(tmp_path):
    tasks = {
        "breaks": Task(code="raise SystemExit('w2v: The corpus is empty.')"),
        "follows": Task(after=("breaks",)),
        "other": Task(),
        "reports": Task(
            code='print(json.loads(given["final_status"]))',
            after=("breaks", "follows"),
            extra=WHATEVER_HAPPENS,
        ),
    }
    compiled = write_job(tmp_path / "compiled.json", tasks)
    job = json.loads(compiled.read_text())
    spec = job["pipelineSpec"]
    spec["components"]["reports"]["inputDefinitions"]["parameters"] = {
        "final_status": {"parameterType": "STRING"}
    }
    spec["root"]["dag"]["tasks"]["reports"]["inputs"]["parameters"] = {
        "final_status": {"taskFinalStatus": {"producerTask": "breaks"}}
    }
    compiled.write_text(json.dumps(job))
    rehearsal = rehearse(read_compiled(compiled), tmp_path / "root")
    assert states(rehearsal) == {
        "breaks": "FAILED",
        "follows": "NOT_TRIGGERED",
        "other": "NOT_TRIGGERED",
        "reports": "SUCCEEDED",
    }
    assert rehearsal.exit_code == 1
    assert rehearsal.failed.cause == "The corpus is empty."
    told = said(rehearsal, "reports")
    assert "'state': 'FAILED'" in told and "breaks failed: The corpus is empty." in told
    assert "'pipelineJobResourceName': 'projects/" in told


def test_tasks_of_an_inner_group_take_what_the_group_is_given(tmp_path):
    compiled = write_job(
        tmp_path / "compiled.json", {"inner": Task("print(given)", runtime={"span": "span"})}
    )
    job = json.loads(compiled.read_text())
    spec = job["pipelineSpec"]
    declared = {"parameters": {"span": {"parameterType": "STRING", "defaultValue": "late"}}}
    spec["components"]["group"] = {"inputDefinitions": declared, "dag": spec["root"]["dag"]}
    spec["root"] = {
        "inputDefinitions": declared,
        "dag": {
            "tasks": {
                "group": {
                    "componentRef": {"name": "group"},
                    "taskInfo": {"name": "group"},
                    "inputs": {"parameters": {"span": {"componentInputParameter": "span"}}},
                }
            }
        },
    }
    compiled.write_text(json.dumps(job))
    rehearsal = rehearse(read_compiled(compiled), tmp_path / "root", settings=["span=early"])
    assert "{'span': 'early'}" in said(rehearsal, "inner")


def test_what_runs_before_the_cache_check_changes_what_the_container_is_told(tmp_path):
    driver = """
pathlib.Path(told["outputs"]["outputFile"]).write_text(json.dumps({
    "parameterValues": {"span": 9},
    "artifacts": {"made": {"artifacts": [{"metadata": {"span": 9}}]}},
}))
"""
    hook = {"preCacheCheck": {"command": ["python", "-c", PRELUDE + driver], "args": ["{{$}}"]}}
    task = Task(
        code='print(given, told["outputs"]["artifacts"])',
        makes={"made": "tfx.Examples"},
        container={"lifecycle": hook},
    )
    told = said(run(tmp_path, {"reads": task}), "reads")
    assert "{'span': 9.0}" in told and "'metadata': {'span': 9.0}" in told


def gate(blessed: int) -> dict[str, Task]:
    """A pipeline whose resolvers ask for what its gate let through before."""
    blessing = 'schema_title="tfx.ModelBlessing" AND state=LIVE AND metadata.blessed.number_value=1'
    by_name = "name=\"{{$.inputs.artifacts['input'].metadata['current_model_id']}}\""
    model = f'schema_title="tfx.Model" AND state=LIVE AND {by_name}'
    return {
        "blessing": Task(
            makes={"blessing": "tfx.ModelBlessing"},
            executor={"resolver": {"outputArtifactQueries": {"blessing": {"filter": blessing}}}},
        ),
        "last": Task(
            takes={"input": "blessing.blessing"},
            makes={"model": "tfx.Model"},
            executor={"resolver": {"outputArtifactQueries": {"model": {"filter": model}}}},
        ),
        "train": Task(code='write("model", "weights")', makes={"model": "tfx.Model"}),
        "gate": Task(
            code=f"""
model = taken["model"]["artifacts"][0]["name"]
say(blessing={{"blessed": {blessed}, "current_model_id": model}})
print(sorted(taken), taken.get("baseline"))
""",
            takes={"model": "train.model", "baseline": "last.model"},
            makes={"blessing": "tfx.ModelBlessing"},
        ),
    }


def test_resolvers_find_what_an_earlier_rehearsal_blessed_and_nothing_at_first(tmp_path):
    first = run(tmp_path, gate(blessed=1))
    assert "['model'] None" in said(first, "gate")  # an empty input is left out

    refused = run(tmp_path, gate(blessed=0))
    (trained_first,) = named(first, "train").addresses()["model"]
    assert f"'uri': '{tmp_path}" in said(refused, "gate")
    assert trained_first.rpartition("/root/")[2] in said(refused, "gate")
    assert (first.exit_code, refused.exit_code) == (0, 3)

    third = run(tmp_path, gate(blessed=1))  # the refused one never becomes the baseline
    assert trained_first.rpartition("/root/")[2] in said(third, "gate")


def test_an_importer_hands_on_what_lies_at_its_address(tmp_path):
    (tmp_path / "schema").write_text("a schema")
    importer = {
        "importer": {
            "artifactUri": {"constant": "gs://data/schema"},
            "typeSchema": {"instanceSchema": "title: tfx.Schema\ntype: object\n"},
            "metadata": {"version": 2},
        }
    }
    tasks = {
        "schema": Task(makes={"result": "tfx.Schema"}, executor=importer),
        "reads": Task(code='print(read("schema"), taken)', takes={"schema": "schema.result"}),
    }
    rehearsal = run(tmp_path, tasks, mounts=[f"gs://data={tmp_path}"])
    told = said(rehearsal, "reads")
    assert told.startswith("a schema") and "'version': 2.0" in told


def test_retries_are_made_only_if_they_are_wanted(tmp_path):
    counts = Task(
        code="""
seen = pathlib.Path(given["file"])
seen.write_text((seen.read_text() if seen.exists() else "") + "x")
sys.exit(len(seen.read_text()) < 3)
""",
        constants={"file": "gs://data/tries"},
        extra={"retryPolicy": {"maxRetryCount": 2}},
    )
    mounts = [f"gs://data={tmp_path}"]
    assert run(tmp_path, {"counts": counts}, mounts=mounts).exit_code == 1
    (tmp_path / "tries").unlink()
    assert run(tmp_path, {"counts": counts}, mounts=mounts, with_retries=True).exit_code == 0
    assert (tmp_path / "tries").read_text() == "xxx"


def test_open_source_kubeflow_hands_inputs_on_without_their_types(tmp_path):
    tasks = {
        "make": Task(code='write("made", "text")', makes={"made": "tfx.Examples"}),
        "use": Task(code='print("type" in taken["it"]["artifacts"][0])', takes={"it": "make.made"}),
    }
    compiled = write_kfp(tmp_path / "compiled.yaml", tasks)
    rehearsal = rehearse(read_compiled(compiled), tmp_path / "root")
    assert said(rehearsal, "use").startswith("False")
    assert rehearsal.tasks[0].addresses()["made"][0].startswith(f"{ROOT}/tiny/tiny-20")


def test_a_placeholder_that_nobody_knows_is_named(tmp_path):
    with pytest.raises(BadInputError, match=r"asks for \{\{\$.pipeline_moon\}\}"):
        run(tmp_path, {"a": Task(args=("{{$.pipeline_moon}}",))})


def test_a_runtime_parameter_that_the_pipeline_does_not_declare_is_named(tmp_path):
    with pytest.raises(BadInputError, match="a takes the runtime parameter nobody"):
        run(tmp_path, {"a": Task(runtime={"x": "nobody"})})


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ({"a": Task(takes={"x": "b.made"})}, "waits for b, which is not beside it"),
        ({"a": Task(after=("b",)), "b": Task(after=("a",))}, "wait for each other: (a → b|b → a)"),
        ({"a": Task(container={"command": []})}, "names no command"),
        ({"a": Task(extra={"parameterIterator": {"itemInput": "i"}})}, "a is a loop"),
        ({"a": Task(executor={"customJob": {}})}, r"a is of a kind \(custom_job\)"),
    ],
)
def test_what_cannot_be_run_is_named_before_anything_runs(tmp_path, tasks, told):
    with pytest.raises(BadInputError, match=told):
        run(tmp_path, {"first": Task(), **tasks})
    assert not (tmp_path / "root").exists()
