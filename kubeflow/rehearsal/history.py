"""The artifacts of earlier rehearsals below a root, and what resolvers ask of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as proto

from models.errors import BadInputError

Test = Callable[[proto.RuntimeArtifact], bool]
METADATA_IS = re.compile(r"metadata\.(?P<key>.+)\.(?P<kind>number|string|bool)_value=(?P<value>.+)")


@dataclass(frozen=True)
class History:
    """What the rehearsals of one pipeline have made; only what succeeded is in it."""

    file: Path
    pipeline: str

    def add(self, artifacts: Iterable[proto.RuntimeArtifact]) -> None:
        """Remember what a task made."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with open(self.file, "a", encoding="utf-8") as lines:
            for artifact in artifacts:
                told = json_format.MessageToDict(artifact)
                lines.write(json.dumps({"pipeline": self.pipeline, "artifact": told}) + "\n")

    def latest(self, query: str) -> proto.RuntimeArtifact | None:
        """The newest artifact that the resolver's filter lets through."""
        tests = [_test(clause.strip()) for clause in query.split(" AND ")]
        return next(
            (one for one in self._newest_first() if all(passes(one) for passes in tests)), None
        )

    def _newest_first(self) -> list[proto.RuntimeArtifact]:
        if not self.file.exists():
            return []
        lines = map(json.loads, self.file.read_text(encoding="utf-8").splitlines())
        own = [line["artifact"] for line in lines if line["pipeline"] == self.pipeline]
        return [json_format.ParseDict(told, proto.RuntimeArtifact()) for told in reversed(own)]


def title_of(artifact_type: proto.ArtifactTypeSchema) -> str:
    """The type's title, such as tfx.Model."""
    if artifact_type.schema_title:
        return artifact_type.schema_title
    return (yaml.safe_load(artifact_type.instance_schema or "") or {}).get("title", "")


def _test(clause: str) -> Test:
    name, separator, value = clause.partition("=")
    wanted = value.strip('"')
    if separator and name == "schema_title":
        return lambda artifact: title_of(artifact.type) == wanted
    if clause == "state=LIVE":
        return lambda artifact: True
    if separator and name == "name":
        return lambda artifact: artifact.name == wanted
    if asked := METADATA_IS.fullmatch(clause):
        return lambda artifact: _says(artifact, asked["key"], asked["value"].strip('"'))
    raise BadInputError(f"A rehearsal cannot answer a resolver that asks for {clause}.")


def _says(artifact: proto.RuntimeArtifact, key: str, wanted: str) -> bool:
    metadata: dict[str, Any] = json_format.MessageToDict(artifact.metadata)
    value = metadata.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).lower() == wanted.lower()
    return value == float(wanted)
