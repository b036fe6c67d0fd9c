"""The driver of an ExampleGen in a container: which span is read, and what is in it."""

from __future__ import annotations

import json
import os
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import (
    ComponentInputsSpec,
    ExecutorInput,
    ExecutorOutput,
    RuntimeArtifact,
)
from tfx.components.example_gen import driver, utils
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils
from tfx.types import standard_component_specs
from tfx.utils import import_utils

from kubeflow.container.parameters import TASK_PREFIX
from models import filesystem

# What the driver finds out, as TFX's own hands it on.
FOUND = (
    utils.SPAN_PROPERTY_NAME,
    utils.VERSION_PROPERTY_NAME,
    utils.FINGERPRINT_PROPERTY_NAME,
    standard_component_specs.INPUT_CONFIG_KEY,
)
# All of it as JSON, where the driver is a task of its own.
FOUND_OUTPUT, FOUND_INPUT = "found", f"{TASK_PREFIX}found"
EXAMPLES = standard_component_specs.EXAMPLES_KEY


def run_driver(driver_class: str, told: ExecutorInput, spec: ComponentInputsSpec) -> None:
    """Write what the driver found where the service looks for it."""
    properties = kubeflow_v2_entrypoint_utils.parse_execution_properties(
        told.inputs.parameter_values, {}, spec
    )
    resolver = import_utils.import_class_by_path(driver_class)(None)
    resolved = resolver.resolve_exec_properties(properties, None, None)
    found = {name: resolved[name] for name in FOUND}
    output = ExecutorOutput()
    if FOUND_OUTPUT in told.outputs.parameters:
        output.parameter_values[FOUND_OUTPUT].string_value = json.dumps(found, sort_keys=True)
    else:
        values = {name: value for name, value in found.items() if value is not None}
        for name, value in values.items():
            json_format.ParseDict(value, output.parameter_values[name])
        examples = output.artifacts[EXAMPLES].artifacts.add()
        examples.CopyFrom(_described(told, found))
    filesystem.make_folder(os.path.dirname(told.outputs.output_file))
    filesystem.write_text(told.outputs.output_file, json_format.MessageToJson(output))


def take_found(told: ExecutorInput) -> None:
    """What a driver found in a task of its own, put where it is after a driver in this one."""
    values = told.inputs.parameter_values
    if FOUND_INPUT not in values:
        return
    found = json.loads(values[FOUND_INPUT].string_value)
    key = standard_component_specs.INPUT_CONFIG_KEY
    values[key].string_value = found[key]
    described = _described(told, found)
    told.outputs.artifacts[EXAMPLES].artifacts[0].metadata.MergeFrom(described.metadata)


def _described(told: ExecutorInput, found: dict[str, Any]) -> RuntimeArtifact:
    """The examples with span, version and fingerprint on them."""
    names: dict[int, str] = {}
    outputs = kubeflow_v2_entrypoint_utils.parse_raw_artifact_dict(told.outputs.artifacts, names)
    examples = outputs[EXAMPLES][0]
    driver.update_output_artifact(found, examples.mlmd_artifact)
    return kubeflow_v2_entrypoint_utils.to_runtime_artifact(examples, names)
