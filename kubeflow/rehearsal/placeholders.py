"""`{{$…}}` in a spec: what the service puts in their place."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as proto

from models.errors import BadInputError

PLACEHOLDER = re.compile(r"\{\{(\$.*?)\}\}")
SUBJECT = re.compile(
    r"\$\.(?P<side>inputs|outputs)\.(?P<kind>parameters|artifacts)\['(?P<name>[^']+)'\]"
    r"(?P<rest>\..+|\[.+)?"
)
METADATA = re.compile(r"\.metadata\['([^']+)'\]")
JSON_ESCAPE = re.compile(r"\$\.json_escape\[(\d)\]")


def fill(text: str, executor_input: proto.ExecutorInput, told: Mapping[str, str]) -> str:
    """The text with every placeholder replaced; one that is unknown is an error."""
    return PLACEHOLDER.sub(lambda match: _meaning(match[1], executor_input, told), text)


def _meaning(name: str, executor_input: proto.ExecutorInput, told: Mapping[str, str]) -> str:
    if name == "$":
        return _as_json(executor_input)
    if name in told:
        return told[name]
    if escapes := JSON_ESCAPE.fullmatch(name):
        text = _as_json(executor_input)
        for _ in range(int(escapes[1])):
            text = json.dumps(text)[1:-1]
        return text
    if name == "$.outputs.output_file":
        return executor_input.outputs.output_file
    if subject := SUBJECT.fullmatch(name):
        found = _look_up(subject, executor_input)
        if found is not None:
            return found
    raise BadInputError(
        f"The spec asks for {{{{{name}}}}}, which neither the job nor the task can tell."
    )


def _look_up(subject: re.Match[str], executor_input: proto.ExecutorInput) -> str | None:
    side = executor_input.inputs if subject["side"] == "inputs" else executor_input.outputs
    rest = subject["rest"] or ""
    if subject["kind"] == "artifacts":
        found = side.artifacts.get(subject["name"]) if subject["name"] in side.artifacts else None
        return _of_artifact(found.artifacts[0], rest) if found and found.artifacts else None
    if subject["side"] == "outputs":
        known = subject["name"] in side.parameters and rest == ".output_file"
        return side.parameters[subject["name"]].output_file if known else None
    values = json_format.MessageToDict(executor_input.inputs)
    new = values.get("parameterValues", {})
    if subject["name"] in new:
        return _text(new[subject["name"]])
    old = values.get("parameters", {}).get(subject["name"])
    return _text(next(iter(old.values()))) if old else None


def _of_artifact(artifact: proto.RuntimeArtifact, rest: str) -> str | None:
    if rest in (".uri", ".path"):
        return artifact.uri
    if rest == ".name":
        return artifact.name
    if key := METADATA.fullmatch(rest):
        metadata = json_format.MessageToDict(artifact.metadata)
        return _text(metadata[key[1]]) if key[1] in metadata else None
    return None


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)


def _as_json(executor_input: proto.ExecutorInput) -> str:
    return json_format.MessageToJson(executor_input, indent=None, sort_keys=True)
