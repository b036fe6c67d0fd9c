"""A compiled file is read for what it is, and its scheduled form says when each run is due."""

import json

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from kubeflow.names import SCHEDULED_TIME
from kubeflow.schedules.compiled import read_compiled
from models.errors import BadInputError
from tests.kubeflow.schedules.conftest import spec, write_kfp, write_vertex


def test_a_files_form_says_which_service_it_is_for(tmp_path):
    for write, target in ((write_vertex, "vertex"), (write_kfp, "kfp")):
        pipeline = read_compiled(write(tmp_path))
        assert (pipeline.target, pipeline.name) == (target, "digits")
        assert pipeline.root == "gs://bucket/w2v/digits"


def test_the_second_document_is_what_kubernetes_is_told(tmp_path):
    path = tmp_path / "two.yaml"
    platforms = {"platforms": {"kubernetes": {}}}
    path.write_text(yaml.safe_dump_all([spec(), platforms]))
    assert read_compiled(path).platform == platforms


def test_a_scheduled_pipeline_takes_its_due_time_for_its_data_date(tmp_path):
    pipeline = read_compiled(write_vertex(tmp_path))
    scheduled = pipeline.at_scheduled_time().spec
    inputs = scheduled["root"]["dag"]["tasks"]["Gen"]["inputs"]["parameters"]
    assert inputs["run_data_date"] == {"runtimeValue": {"constant": SCHEDULED_TIME}}
    assert inputs["run_span"] == {"componentInputParameter": "span"}
    json_format.ParseDict(scheduled, pipeline_spec_pb2.PipelineSpec())
    assert SCHEDULED_TIME not in json.dumps(pipeline.document)


def test_below_an_exit_handler_the_tasks_take_it_too(tmp_path):
    outer = spec()
    inner = outer["root"].pop("dag")
    taken = {"when": {"componentInputParameter": "data_date"}}
    tasks = {"inner": {"componentRef": {"name": "inner"}, "inputs": {"parameters": taken}}}
    outer["root"]["dag"] = {"tasks": tasks}
    outer["components"]["inner"] = {"dag": inner}
    parameters = inner["tasks"]["Gen"]["inputs"]["parameters"]
    parameters["run_data_date"]["componentInputParameter"] = "when"
    path = tmp_path / "outer.yaml"
    path.write_text(yaml.safe_dump(outer))
    scheduled = read_compiled(path).at_scheduled_time().spec
    gen = scheduled["components"]["inner"]["dag"]["tasks"]["Gen"]
    assert gen["inputs"]["parameters"]["run_data_date"] == {
        "runtimeValue": {"constant": SCHEDULED_TIME}
    }


def test_another_root_is_the_services_to_use_and_the_file_stays(tmp_path):
    vertex, kfp = (read_compiled(write(tmp_path)) for write in (write_vertex, write_kfp))
    moved = vertex.with_root("gs://scratch/w2v/")
    assert moved.document["runtimeConfig"]["gcsOutputDirectory"] == "gs://scratch/w2v/digits"
    assert kfp.with_root("s3://scratch").document["defaultPipelineRoot"] == "s3://scratch/digits"
    assert (vertex.root, kfp.root) == ("gs://bucket/w2v/digits",) * 2
    with pytest.raises(BadInputError, match="--pipeline-root s3://scratch must be a bucket"):
        vertex.with_root("s3://scratch")


def test_values_have_the_type_that_the_pipeline_declares(tmp_path):
    document = spec()
    document["root"]["inputDefinitions"]["parameters"] |= {
        "steps_1": {"parameterType": "NUMBER_INTEGER", "defaultValue": 9},
        "learning_rate_1": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.1},
    }
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump(document))
    pipeline = read_compiled(path)
    told = pipeline.values_of(["span=a=b", "steps_1=500", "learning_rate_1=3e-5"])
    assert told == {"span": "a=b", "steps_1": 500, "learning_rate_1": 3e-5}
    for wrong, said in {
        "steps_1=1.5": "--param steps_1 must be a whole number, not '1.5'",
        "learning_rate_1=nan": "--param learning_rate_1 must be a number, not 'nan'",
        "step_1=5": r"no runtime parameter 'step_1'; did you mean steps_1\?",
        "span": "--param 'span' must be as NAME=VALUE",
    }.items():
        with pytest.raises(BadInputError, match=said):
            pipeline.values_of([wrong])


@pytest.mark.parametrize("name", ["learning_rate_1", "steps_2"])
def test_what_the_tuner_searches_cannot_be_told_and_why_is_said(tmp_path, name):
    document = spec()
    document["root"]["dag"]["tasks"]["Tuner"] = {}
    path = tmp_path / "tuned.yaml"
    path.write_text(yaml.safe_dump(document))
    reason = f"takes no runtime parameter '{name}': its Tuner searches those, and what it finds"
    with pytest.raises(BadInputError, match=reason):
        read_compiled(path).values_of([f"{name}=5"])


def test_other_defaults_leave_the_file_as_it_was(tmp_path):
    pipeline = read_compiled(write_vertex(tmp_path))
    other = pipeline.with_defaults({"span": "17"}).spec["root"]["inputDefinitions"]["parameters"]
    assert other["span"]["defaultValue"] == "17"
    own = pipeline.spec["root"]["inputDefinitions"]["parameters"]
    assert own["span"]["defaultValue"] == ""


@pytest.mark.parametrize("text", ["", "[1, 2]", "name: digits", "a: [", "\x00"])
def test_anything_else_is_no_compiled_pipeline(tmp_path, text):
    path = tmp_path / "pipeline.json"
    path.write_text(text)
    with pytest.raises(BadInputError, match=r"pipeline\.json .*make it with `w2v compile`"):
        read_compiled(path)
