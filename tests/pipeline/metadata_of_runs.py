"""ML Metadata as TFX writes it for this DAG, without running a node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.local import METADATA_FILE

RESOLVER = "tfx.dsl.components.common.resolver.Resolver"


class Runs:
    """A root whose ML Metadata is written by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        connection = pb.ConnectionConfig()
        connection.sqlite.filename_uri = str(root / METADATA_FILE)
        connection.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self.store = mlmd.MetadataStore(connection)

    def begin(
        self, name: str, pipeline: str = "demo", told: Mapping[str, Any] | None = None
    ) -> RunInMaking:
        """A run of that id, of which nothing has happened yet."""
        run = RunInMaking(self.store, pipeline)
        run.join("pipeline", pipeline)
        run.join("pipeline_run", name, told)
        child, parent = run.contexts["pipeline_run"], run.contexts["pipeline"]
        self.store.put_parent_contexts([pb.ParentContext(child_id=child, parent_id=parent)])
        return run


class RunInMaking:
    """A run whose nodes are executed one after the other."""

    def __init__(self, store: mlmd.MetadataStore, pipeline: str) -> None:
        self.store, self.pipeline = store, pipeline
        self.contexts: dict[str, int] = {}

    def join(self, kind: str, name: str, told: Mapping[str, Any] | None = None) -> int:
        there = self.store.get_context_by_type_and_name(kind, name)
        if there is None:
            type_id = self.store.put_context_type(pb.ContextType(name=kind))
            context = pb.Context(type_id=type_id, name=name, custom_properties=_values(told or {}))
            (made,) = self.store.put_contexts([context])
        self.contexts[kind] = there.id if there else made
        return self.contexts[kind]

    def execute(
        self,
        node: str,
        state: str = "COMPLETE",
        told: Mapping[str, Any] | None = None,
        takes: Mapping[str, int] | None = None,
        gives: Mapping[str, tuple[Path | str, Mapping[str, Any]]] | None = None,
        kind: str = "",
    ) -> dict[str, int]:
        """Write down one execution; gives the ids of its artifacts by key."""
        type_id = self.store.put_execution_type(pb.ExecutionType(name=kind or f"components.{node}"))
        execution = pb.Execution(
            type_id=type_id,
            last_known_state=pb.Execution.State.Value(state),
            custom_properties=_values(told or {}),
        )
        took, gave = takes or {}, gives or {}
        pairs = [(self._known(one), _event(pb.Event.INPUT, key)) for key, one in took.items()]
        pairs += [
            (self._artifact(key, *given), _event(pb.Event.OUTPUT, key))
            for key, given in gave.items()
        ]
        self.join("node", f"{self.pipeline}.{node}")
        contexts = self.store.get_contexts_by_id(list(self.contexts.values()))
        _, ids, _ = self.store.put_execution(execution, pairs, contexts)
        return dict(zip([*took, *gave], ids, strict=True))

    def reuse(self, node: str, given: Mapping[str, int]) -> None:
        """What the node gave an earlier run, from the cache."""
        type_id = self.store.put_execution_type(pb.ExecutionType(name=f"components.{node}"))
        execution = pb.Execution(type_id=type_id, last_known_state=pb.Execution.CACHED)
        pairs = [(self._known(one), _event(pb.Event.OUTPUT, key)) for key, one in given.items()]
        self.join("node", f"{self.pipeline}.{node}")
        contexts = self.store.get_contexts_by_id(list(self.contexts.values()))
        self.store.put_execution(execution, pairs, contexts)

    def _artifact(self, key: str, uri: Path | str, told: Mapping[str, Any]) -> pb.Artifact:
        type_id = self.store.put_artifact_type(pb.ArtifactType(name=key))
        return pb.Artifact(type_id=type_id, uri=str(uri), custom_properties=_values(told))

    def _known(self, artifact: int) -> pb.Artifact:
        return self.store.get_artifacts_by_id([artifact])[0]


def _event(kind: int, key: str) -> pb.Event:
    path = pb.Event.Path(steps=[pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=0)])
    return pb.Event(type=kind, path=path)


def _values(told: Mapping[str, Any]) -> dict[str, pb.Value]:
    kinds = {str: "string_value", int: "int_value", float: "double_value"}
    return {key: pb.Value(**{kinds[type(value)]: value}) for key, value in told.items()}
