"""Parameter values: the spec's two notations for them, and what type each is to be."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format, struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2 as proto

from models.errors import BadInputError

# Each type under both its names, of schema 2.0 (INT) and of schema 2.1 (NUMBER_INTEGER).
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "INT": (int,),
    "NUMBER_INTEGER": (int,),
    "DOUBLE": (float, int),
    "NUMBER_DOUBLE": (float, int),
    "STRING": (str,),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
    "TASK_FINAL_STATUS": (dict,),
}
IN_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def plain_value(value: proto.Value | struct_pb2.Value) -> Any:
    """The Python value of either notation."""
    if isinstance(value, proto.Value):
        kind = value.WhichOneof("value")
        return getattr(value, kind) if kind else None
    return json_format.MessageToDict(value)


def is_old(parameter: proto.ComponentInputsSpec.ParameterSpec) -> bool:
    """Whether it is declared as schema 2.0 does; the service then hands it on in that notation."""
    return bool(parameter.type)


def type_name(parameter: proto.ComponentInputsSpec.ParameterSpec) -> str:
    """Its declared type."""
    if is_old(parameter):
        return proto.PrimitiveType.PrimitiveTypeEnum.Name(parameter.type)
    return proto.ParameterType.ParameterTypeEnum.Name(parameter.parameter_type)


def old_value(value: Any) -> proto.Value:
    """The value as schema 2.0 writes it."""
    if isinstance(value, str):
        return proto.Value(string_value=value)
    if isinstance(value, int):
        return proto.Value(int_value=value)
    return proto.Value(double_value=value)


def new_value(value: Any) -> struct_pb2.Value:
    """The value as schema 2.1 writes it."""
    return json_format.ParseDict(value, struct_pb2.Value())


def of_type(name: str, value: Any, declared: str) -> Any:
    """The value, if it is of its declared type; a number that JSON made a float is an int again."""
    accepted = PYTHON_TYPES.get(declared)
    if accepted is None:
        return value
    if accepted == (int,) and isinstance(value, float) and value.is_integer():
        return int(value)
    if (isinstance(value, bool) and bool not in accepted) or not isinstance(value, accepted):
        raise BadInputError(f"The parameter {name} must be {_words(declared)}, not {value!r}.")
    return value


def parse_value(name: str, text: str, declared: str) -> Any:
    """What a user typed for a parameter of that type."""
    if declared == "STRING":
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return of_type(name, value, declared)


def _words(declared: str) -> str:
    return IN_WORDS.get(PYTHON_TYPES[declared][0], f"a {declared.lower()}")
