"""The pipeline's runtime parameters: what the file gives, what the user sets, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kfp.pipeline_spec import pipeline_spec_pb2 as proto

from kubeflow.rehearsal.spec import CompiledPipeline
from kubeflow.rehearsal.values import of_type, parse_value, plain_value, type_name
from models.errors import BadInputError


def runtime_parameters(pipeline: CompiledPipeline, settings: Sequence[str]) -> dict[str, Any]:
    """The value of each parameter of the pipeline: `name=value` settings before the file's own.

    As the service, it refuses a name that the spec does not declare, a value of another type, and a
    parameter that nobody gives.
    """
    declared = pipeline.spec.root.input_definitions.parameters
    given = dict(pipeline.parameters)
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not separator:
            raise BadInputError(f"--set {setting} must be name=value.")
        _refuse_unknown(name, declared)
        given[name] = parse_value(name, text, type_name(declared[name]))
    for name in given:
        _refuse_unknown(name, declared)
    values = {
        name: of_type(name, value, type_name(declared[name]))
        for name, value in (defaults(declared) | given).items()
    }
    refuse_missing(f"The pipeline {pipeline.name}", declared, values, "give it by --set {}=…")
    return values


def defaults(declared: Mapping[str, proto.ComponentInputsSpec.ParameterSpec]) -> dict[str, Any]:
    """The value of each parameter that brings its own."""
    return {
        name: plain_value(parameter.default_value)
        for name, parameter in declared.items()
        if parameter.HasField("default_value")
    }


def refuse_missing(
    who: str,
    declared: Mapping[str, proto.ComponentInputsSpec.ParameterSpec],
    values: Mapping[str, Any],
    cure: str,
) -> None:
    """An error that names the first parameter that is declared but has no value."""
    for name, parameter in declared.items():
        if name not in values and not parameter.is_optional:
            raise BadInputError(
                f"{who} needs the parameter {name}, which nobody gives; {cure.format(name)}."
            )


def _refuse_unknown(
    name: str, declared: Mapping[str, proto.ComponentInputsSpec.ParameterSpec]
) -> None:
    if name not in declared:
        known = ", ".join(sorted(declared)) or "none"
        raise BadInputError(f"There is no runtime parameter {name}; the pipeline has: {known}.")
