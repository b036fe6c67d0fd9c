"""What a service tells a node is mended or refused before TFX reads it."""

import json

import pytest
from tfx.orchestration.kubeflow.v2.container.kubeflow_v2_entrypoint_utils import (
    parse_raw_artifact_dict,
)

from kubeflow.container import node
from kubeflow.container.executor_input import prepared
from models.errors import BadInputError

ROOT = "gs://bucket/w2v/demo"


def told_to_write(uri: str) -> str:
    model = {"artifacts": [{"uri": uri}]}
    return json.dumps({"outputs": {"artifacts": {"model": model}, "outputFile": f"{uri}/out"}})


def test_a_run_below_the_root_it_was_compiled_for_goes_on():
    told, _ = prepared(told_to_write(f"{ROOT}/1/Trainer_2/model"), "{}", "UTC", ROOT)
    assert told.outputs.output_file == f"{ROOT}/1/Trainer_2/model/out"


@pytest.mark.parametrize("other", ["gs://scratch/w2v/demo", f"{ROOT}-2"])
def test_a_run_with_another_root_would_leave_its_records_with_the_old_one_and_is_refused(other):
    with pytest.raises(BadInputError, match=rf"another pipeline root than {ROOT}, .* {other}/1"):
        prepared(told_to_write(f"{other}/1/Trainer_2/model"), "{}", "UTC", ROOT)


def test_the_log_that_kubeflow_keeps_beside_a_nodes_outputs_is_none_of_them():
    told = json.loads(told_to_write(f"{ROOT}/1/Trainer_2/model"))
    outputs = told["outputs"]["artifacts"]
    outputs["model"]["artifacts"][0]["type"] = {"schemaTitle": "tfx.Model"}
    log = {"uri": "s3://logs/executor-logs", "type": {"schemaTitle": "system.Artifact"}}
    outputs["executor-logs"] = {"artifacts": [log]}
    mended, _ = prepared(json.dumps(told), "{}", "UTC", ROOT)
    assert list(parse_raw_artifact_dict(mended.outputs.artifacts)) == ["model"]


def test_the_entry_point_knows_the_root_by_its_flag(capsys):
    told = told_to_write("gs://scratch/1/model")
    code = node.main(["--root", ROOT, "--json_serialized_invocation_args", told])
    assert code == 2
    assert "was submitted with another pipeline root" in capsys.readouterr().err.splitlines()[-1]


def test_who_reports_how_a_run_ended_writes_nothing_and_is_never_refused():
    reporter = json.dumps({"outputs": {"outputFile": "gs://scratch/1/out"}})
    told, _ = prepared(reporter, "{}", "UTC", ROOT)
    assert told.outputs.output_file == "gs://scratch/1/out"
