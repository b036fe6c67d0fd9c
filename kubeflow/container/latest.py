"""The newest artifact of a kind, where the service itself cannot be asked for it.

Open-source KFP runs containers and importers only: a resolver is refused there. So each node whose
outputs a later run asks for leaves a record of them below the pipeline's root, and a task of ours
reads it in the resolver's place.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import yaml
from kfp.pipeline_spec.pipeline_spec_pb2 import ExecutorInput, ExecutorOutput, RuntimeArtifact
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact
from tfx.types.artifact import CUSTOM_PROPERTIES_PREFIX

from models import filesystem

log = logging.getLogger(__name__)

RECORD_KEY = "record"  # a task's property: the file to read
BLESSED_RECORD = "blessed.json"
MODEL_KEY, MODEL_TYPE, BLESSING_TYPE = "model", "Model", "ModelBlessing"
# On an artifact that stands for none: a service hands on each output that a task declares.
NOTHING_YET = "nothing_yet"


class Executor(base_executor.BaseExecutor):
    """Gives what the record names, or artifacts that stand for none."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        record = _read(exec_properties[RECORD_KEY])
        for artifacts in output_dict.values():
            for artifact in artifacts:
                _fill(artifact, record.get(artifact.type_name))


def record_name(type_name: str) -> str:
    """The file that names the newest artifact of a type."""
    return f"{type_name}.json"


def record_outputs(
    folder: str,
    told: ExecutorInput,
    made: ExecutorOutput,
) -> None:
    """Note down what a node has made; a blessing's model beside it."""
    filesystem.make_folder(folder)
    for key, artifacts in made.artifacts.items():
        declared = told.outputs.artifacts[key].artifacts[0]
        type_name = type_name_of(declared)
        noted = {type_name: _noted(artifacts.artifacts[0], declared.uri)}
        filesystem.write_text(filesystem.join(folder, record_name(type_name)), _text(noted))
        if type_name == BLESSING_TYPE and _is_blessed(artifacts.artifacts[0]):
            model = told.inputs.artifacts[MODEL_KEY].artifacts[0]
            both = noted | {MODEL_TYPE: _noted(model, model.uri)}
            filesystem.write_text(filesystem.join(folder, BLESSED_RECORD), _text(both))


def type_name_of(artifact: RuntimeArtifact) -> str:
    """`Model` of an artifact whose schema says `title: tfx.Model`."""
    return artifact.type.schema_title.rpartition(".")[2] or type_name_in(
        artifact.type.instance_schema
    )


def type_name_in(schema: str) -> str:
    """`Model` of the YAML that holds `title: tfx.Model`."""
    return yaml.safe_load(schema)["title"].rpartition(".")[2]


def _read(file: str) -> Mapping[str, Any]:
    text = filesystem.read_text_if_there(file)
    if text is None:
        log.info("nothing is recorded at %s yet", file)
        return {}
    return json.loads(text)


def _fill(artifact: Artifact, noted: Mapping[str, Any] | None) -> None:
    if noted is None or not filesystem.exists(noted["uri"]):
        artifact.set_int_custom_property(NOTHING_YET, 1)
        return
    artifact.uri = noted["uri"]
    for name, value in noted["metadata"].items():
        _set(artifact, name, value)


def _set(artifact: Artifact, name: str, value: Any) -> None:
    """Set one property; JSON knows no integers, and TFX marks a custom one of a property's name."""
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if name in (artifact.PROPERTIES or {}):
        setattr(artifact, name, number)
        return
    setters = {
        int: artifact.set_int_custom_property,
        float: artifact.set_float_custom_property,
        str: artifact.set_string_custom_property,
    }
    setter = setters.get(type(number), artifact.set_json_value_custom_property)
    setter(name.removeprefix(CUSTOM_PROPERTIES_PREFIX), number)


def _noted(artifact: RuntimeArtifact, uri: str) -> dict[str, Any]:
    return {"uri": artifact.uri or uri, "metadata": dict(artifact.metadata.items())}


def _is_blessed(artifact: RuntimeArtifact) -> bool:
    said = dict(artifact.metadata.items()).get(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
    return said == constants.BLESSED_VALUE


def _text(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=1, sort_keys=True, default=str) + "\n"
