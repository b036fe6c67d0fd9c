"""What a service tells a node is mended before TFX reads it."""

import json

from tfx.orchestration.kubeflow.v2.container.kubeflow_v2_entrypoint_utils import (
    parse_raw_artifact_dict,
)

from kubeflow.container.executor_input import prepared


def test_the_log_that_kubeflow_keeps_beside_a_nodes_outputs_is_none_of_them():
    model = {"uri": "gs://bucket/1/Trainer_2/model", "type": {"schemaTitle": "tfx.Model"}}
    log = {"uri": "s3://logs/executor-logs", "type": {"schemaTitle": "system.Artifact"}}
    told = {"model": {"artifacts": [model]}, "executor-logs": {"artifacts": [log]}}
    mended, _ = prepared(json.dumps({"outputs": {"artifacts": told}}), "{}", "UTC")
    assert list(parse_raw_artifact_dict(mended.outputs.artifacts)) == ["model"]
