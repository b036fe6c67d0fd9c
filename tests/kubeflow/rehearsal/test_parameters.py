"""Runtime parameters are checked against the spec, as the service does when a run is started."""

import json

import pytest

from kubeflow.rehearsal.parameters import runtime_parameters
from kubeflow.rehearsal.spec import read_compiled
from models.errors import BadInputError
from tests.kubeflow.rehearsal.tiny_pipeline import Task, write_job

DECLARED = {
    "span": {"parameterType": "STRING", "defaultValue": ""},
    "steps": {"parameterType": "NUMBER_INTEGER", "defaultValue": 100},
    "rate": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.5},
    "dry": {"parameterType": "BOOLEAN", "isOptional": True},
    "corpus": {"parameterType": "STRING"},
}


@pytest.fixture
def pipeline(tmp_path):
    return read_compiled(write_job(tmp_path / "compiled.json", {"a": Task()}, DECLARED))


def test_what_is_set_comes_before_what_the_spec_says(pipeline):
    values = runtime_parameters(pipeline, ["corpus=gs://c", "steps=7", "rate=1", "dry=true"])
    assert values == {"span": "", "steps": 7, "rate": 1, "dry": True, "corpus": "gs://c"}


def test_the_files_own_values_count(tmp_path):
    compiled = write_job(tmp_path / "compiled.json", {"a": Task()}, DECLARED)
    job = json.loads(compiled.read_text())
    job["runtimeConfig"]["parameterValues"] = {"corpus": "gs://own", "steps": 3}
    compiled.write_text(json.dumps(job))
    values = runtime_parameters(read_compiled(compiled), ["steps=4"])
    assert (values["corpus"], values["steps"]) == ("gs://own", 4)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ([], "tiny needs the parameter corpus, which nobody gives; give it by --set corpus="),
        (["corpus=x", "stpes=1"], "no runtime parameter stpes; .* corpus, dry, rate, span, steps"),
        (["corpus=x", "steps=many"], "steps must be a whole number, not 'many'"),
        (["corpus=x", "steps=1.5"], "steps must be a whole number, not 1.5"),
        (["corpus=x", "steps=true"], "steps must be a whole number, not True"),
        (["corpus=x", "rate=high"], "rate must be a number, not 'high'"),
        (["corpus"], "--set corpus must be name=value"),
    ],
)
def test_what_the_service_would_refuse_is_refused_by_name(pipeline, settings, told):
    with pytest.raises(BadInputError, match=told):
        runtime_parameters(pipeline, settings)
