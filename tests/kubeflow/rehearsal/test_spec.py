"""What `w2v compile` writes is read for either target; anything else is named."""

import json

import pytest

from kubeflow.rehearsal.spec import read_compiled
from models.errors import BadInputError
from tests.kubeflow.rehearsal.tiny_pipeline import ROOT, Task, write_job, write_kfp


def test_a_vertex_job_and_a_kubeflow_spec_are_told_apart(tmp_path):
    tasks = {"a": Task()}
    job = read_compiled(write_job(tmp_path / "compiled.json", tasks))
    bare = read_compiled(write_kfp(tmp_path / "compiled.yaml", tasks))
    assert (job.target, bare.target) == ("vertex", "kfp")
    assert job.root == bare.root == ROOT
    assert job.spec == bare.spec.__class__.FromString(job.spec.SerializeToString())
    assert set(job.executors) == set(bare.executors) == {"a"}


def test_what_kubeflow_says_of_kubernetes_is_passed_over(tmp_path):
    compiled = write_kfp(tmp_path / "compiled.yaml", {"a": Task()})
    compiled.write_text(compiled.read_text() + "---\nplatforms: {kubernetes: {}}\n")
    assert read_compiled(compiled).target == "kfp"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "There is no file"),
        ("", "is no compiled pipeline; make it with `w2v compile`"),
        ("{'", "cannot be read as a compiled pipeline"),
        ('{"name": "x"}', "is no compiled pipeline"),
        (
            json.dumps({"pipelineSpec": {"pipelineInfo": {}, "rot": {}}}),
            'no pipeline spec: .*"rot"',
        ),
    ],
)
def test_a_file_that_is_none_is_named_with_the_reason(tmp_path, content, told):
    path = tmp_path / "compiled.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadInputError, match=told):
        read_compiled(path)


def test_a_task_whose_component_is_missing_is_named(tmp_path):
    compiled = write_job(tmp_path / "compiled.json", {"a": Task()})
    job = json.loads(compiled.read_text())
    job["pipelineSpec"]["components"] = {}
    compiled.write_text(json.dumps(job))
    pipeline = read_compiled(compiled)
    with pytest.raises(BadInputError, match="a runs the component a, which"):
        pipeline.component(pipeline.spec.root.dag.tasks["a"])
