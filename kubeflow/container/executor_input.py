"""What a service tells a node, mended before TFX reads it."""

from __future__ import annotations

from google.protobuf import json_format, struct_pb2
from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentInputsSpec, ExecutorInput, ExecutorOutput
from tfx.components.evaluator import constants
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils

from kubeflow.container.latest import BLESSING_TYPE, MODEL_KEY, NOTHING_YET, type_name_of
from kubeflow.container.parameters import apply_parameters
from kubeflow.container.span_driver import take_found


def prepared(
    told_text: str, spec_text: str, timezone: str
) -> tuple[ExecutorInput, ComponentInputsSpec]:
    """A node's ExecutorInput, and what its component declares."""
    told, spec = ExecutorInput(), ComponentInputsSpec()
    json_format.Parse(told_text, told, ignore_unknown_fields=True)
    json_format.Parse(spec_text, spec, ignore_unknown_fields=True)
    _drop_outputs_of_the_service(told)
    _drop_absent(told)
    _fill_types(told, spec)
    take_found(told)
    _apply_parameters(told, spec, timezone)
    return told, spec


def with_names_of_models(told: ExecutorInput, made: ExecutorOutput) -> ExecutorOutput:
    """Blessings that name their model as the service does: its resolvers look for that name.

    TFX does so for its own Evaluator alone; other blessings keep a number that nobody knows.
    """
    key = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
    if MODEL_KEY not in told.inputs.artifacts:  # a blessing that was looked up, not given
        return made
    for name, artifacts in made.artifacts.items():
        if type_name_of(told.outputs.artifacts[name].artifacts[0]) != BLESSING_TYPE:
            continue
        for blessing in artifacts.artifacts:
            if key in blessing.metadata:
                blessing.metadata[key] = told.inputs.artifacts[MODEL_KEY].artifacts[0].name
    return made


def _drop_outputs_of_the_service(told: ExecutorInput) -> None:
    """Open-source KFP keeps a log beside a node's outputs, as a type that TFX has no class for."""
    for name, artifacts in list(told.outputs.artifacts.items()):
        if all(one.type.schema_title.startswith("system.") for one in artifacts.artifacts):
            del told.outputs.artifacts[name]


def _drop_absent(told: ExecutorInput) -> None:
    """An input for which there is nothing yet is no input."""
    for name, artifacts in list(told.inputs.artifacts.items()):
        there = [one for one in artifacts.artifacts if NOTHING_YET not in one.metadata]
        if not there:
            del told.inputs.artifacts[name]


def _fill_types(told: ExecutorInput, spec: ComponentInputsSpec) -> None:
    """Open-source KFP hands inputs on without their types, which TFX cannot do without."""
    for name, artifacts in told.inputs.artifacts.items():
        for artifact in artifacts.artifacts:
            if not (artifact.type.schema_title or artifact.type.instance_schema):
                artifact.type.CopyFrom(spec.artifacts[name].artifact_type)


def _apply_parameters(told: ExecutorInput, spec: ComponentInputsSpec, timezone: str) -> None:
    values = told.inputs.parameter_values
    before = kubeflow_v2_entrypoint_utils.parse_execution_properties(values, {}, spec)
    after = apply_parameters(before, timezone)
    for name in set(before) - set(after):
        del values[name]
    for name, value in after.items():
        if value != before[name]:
            values[name].CopyFrom(struct_pb2.Value(string_value=value))
