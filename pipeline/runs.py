"""The runs that ML Metadata remembers: what each node took, was told and gave."""

from __future__ import annotations

from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from models.errors import BadInputError

RUN_CONTEXT = "pipeline_run"
PIPELINE_CONTEXT = "pipeline"
INPUT, OUTPUT = metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.OUTPUT


class Run:
    """The executions of one run, by node."""

    def __init__(self, store: mlmd.MetadataStore, context: metadata_store_pb2.Context) -> None:
        self._store = store
        self.name = context.name
        self._executions = {
            _node_of(store, execution): execution
            for execution in store.get_executions_by_context(context.id)
        }

    def output(self, node: str, key: str) -> metadata_store_pb2.Artifact:
        """The node's output artifact of that key."""
        return self._artifacts(node, key, OUTPUT)[0]

    def input(self, node: str, key: str) -> metadata_store_pb2.Artifact | None:
        """The node's input artifact of that key, or None where it had none."""
        return next(iter(self._artifacts(node, key, INPUT)), None)

    def told(self, node: str, key: str) -> str:
        """A text among the node's execution properties."""
        return self._execution(node).custom_properties[key].string_value

    def _execution(self, node: str) -> metadata_store_pb2.Execution:
        if node not in self._executions:
            raise BadInputError(
                f"The run {self.name} did not come as far as {node}; choose another, or run again."
            )
        return self._executions[node]

    def _artifacts(self, node: str, key: str, kind: int) -> list[metadata_store_pb2.Artifact]:
        events = self._store.get_events_by_execution_ids([self._execution(node).id])
        found = [
            event.artifact_id
            for event in events
            if event.type == kind and event.path.steps[0].key == key
        ]
        return self._store.get_artifacts_by_id(found) if found else []


def find_run(metadata_file: Path, pipeline_name: str | None = None, run: str | None = None) -> Run:
    """A run by its id, or the latest; of a pipeline by name, or of the only one."""
    if not metadata_file.exists():
        raise BadInputError(
            f"There is no {metadata_file.name} in {metadata_file.parent}; give the --root of a run."
        )
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(metadata_file)
    store = mlmd.MetadataStore(connection)
    pipelines = {context.name: context for context in store.get_contexts_by_type(PIPELINE_CONTEXT)}
    if pipeline_name is None and len(pipelines) == 1:
        (pipeline_name,) = pipelines
    if pipeline_name not in pipelines:
        raise BadInputError(
            f"{metadata_file.parent} holds runs of {', '.join(sorted(pipelines)) or 'nothing'}; "
            "name one of these pipelines."
        )
    runs = {
        context.name: context
        for context in store.get_children_contexts_by_context(pipelines[pipeline_name].id)
        if store.get_context_types_by_id([context.type_id])[0].name == RUN_CONTEXT
    }
    if run is not None and run not in runs:
        raise BadInputError(
            f"There is no run {run!r} of {pipeline_name}; the latest are "
            f"{', '.join(sorted(runs)[-5:])}."
        )
    chosen = runs[run] if run else max(runs.values(), key=lambda context: context.id)
    return Run(store, chosen)


def _node_of(store: mlmd.MetadataStore, execution: metadata_store_pb2.Execution) -> str:
    """The node's id, which TFX keeps as a context of the execution."""
    for context in store.get_contexts_by_execution(execution.id):
        if store.get_context_types_by_id([context.type_id])[0].name == "node":
            return context.name.rpartition(".")[2]
    return ""
