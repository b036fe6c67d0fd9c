"""What the service puts in the place of `{{$…}}`."""

import json

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as proto

from kubeflow.rehearsal.placeholders import fill
from models.errors import BadInputError

TOLD = {
    "inputs": {
        "parameters": {"old": {"intValue": "3"}},
        "parameterValues": {"steps": 100, "rate": 0.5, "name": "demo", "list": [1]},
        "artifacts": {
            "model": {"artifacts": [{"name": "m", "uri": "gs://b/m", "metadata": {"span": 7}}]},
            "none": {},
        },
    },
    "outputs": {
        "outputFile": "gs://b/out.json",
        "parameters": {"wer": {"outputFile": "gs://b/wer"}},
        "artifacts": {"report": {"artifacts": [{"uri": "gs://b/report"}]}},
    },
}
EXECUTOR_INPUT = json_format.ParseDict(TOLD, proto.ExecutorInput())
JOB = {"$.pipeline_job_name": "demo-1"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{{$.pipeline_job_name}}/x", "demo-1/x"),
        ("--steps={{$.inputs.parameters['steps']}}", "--steps=100"),
        ("{{$.inputs.parameters['rate']}} {{$.inputs.parameters['name']}}", "0.5 demo"),
        ("{{$.inputs.parameters['old']}}", "3"),
        ("{{$.inputs.parameters['list']}}", "[1.0]"),
        ("{{$.inputs.artifacts['model'].uri}}", "gs://b/m"),
        ("{{$.inputs.artifacts['model'].name}}", "m"),
        ("{{$.inputs.artifacts['model'].metadata['span']}}", "7"),
        ("{{$.outputs.artifacts['report'].uri}}", "gs://b/report"),
        ("{{$.outputs.parameters['wer'].output_file}}", "gs://b/wer"),
        ("{{$.outputs.output_file}}", "gs://b/out.json"),
        ("no {braces}", "no {braces}"),
    ],
)
def test_what_is_known_is_filled_in(text, filled):
    assert fill(text, EXECUTOR_INPUT, JOB) == filled


def test_the_whole_input_is_given_as_json_and_escaped_where_it_is_asked_for():
    assert json_format.Parse(fill("{{$}}", EXECUTOR_INPUT, JOB), proto.ExecutorInput())
    escaped = fill('"{{$.json_escape[1]}}"', EXECUTOR_INPUT, JOB)
    assert json.loads(json.loads(escaped)) == json.loads(fill("{{$}}", EXECUTOR_INPUT, JOB))


@pytest.mark.parametrize(
    "name",
    [
        "$.pipeline_job_nmae",
        "$.inputs.parameters['gone']",
        "$.inputs.artifacts['none'].uri",
        "$.inputs.artifacts['model'].size",
        "$.outputs.parameters['gone'].output_file",
    ],
)
def test_what_is_unknown_is_an_error_that_names_it(name):
    with pytest.raises(BadInputError) as caught:
        fill(f"--x={{{{{name}}}}}", EXECUTOR_INPUT, JOB)
    assert f"{{{{{name}}}}}" in str(caught.value)
