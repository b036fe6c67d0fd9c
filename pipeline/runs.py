"""The runs that ML Metadata remembers: what each node took, was told and gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from components.run_reporter.final_status import FinalStatus, read_final_status
from models import filesystem
from models.errors import BadInputError
from models.recognisers.published import SERVING_FOLDER
from models.training.history import HISTORY_FILE
from pipeline.metadata import open_store

RESOLVER_TYPE = "tfx.dsl.components.common.resolver.Resolver"
REPORTER_TYPE = "components.run_reporter.component.RunReporter"
RUN_CONTEXT, PIPELINE_CONTEXT, NODE_CONTEXT = "pipeline_run", "pipeline", "node"
# A run's property: that it was a cluster's, of which the end is written down too.
ON_CLUSTER = "on_cluster"
INPUT, OUTPUT = metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.OUTPUT


class Run:
    """The executions of one run, by node."""

    def __init__(
        self, store: mlmd.MetadataStore, context: metadata_store_pb2.Context, pipeline: str
    ) -> None:
        self._store = store
        self.name = context.name
        self.pipeline = pipeline
        self.started = context.create_time_since_epoch / 1000  # seconds since 1970
        self.on_cluster = bool(context.custom_properties[ON_CLUSTER].int_value)
        self._executions = {
            _node_of(store, execution): execution
            for execution in store.get_executions_by_context(context.id)
        }

    @property
    def work(self) -> dict[str, metadata_store_pb2.Execution]:
        """The executions by node, without those that only looked something up or told the end.

        A resolver that found nothing, as on a first run, counts as failed to ML Metadata.
        """
        return {
            node: execution
            for node, execution in self._executions.items()
            if execution.type not in (RESOLVER_TYPE, REPORTER_TYPE)
        }

    @property
    def final_status(self) -> FinalStatus | None:
        """What a cluster said of the run when it had ended."""
        for execution in self._executions.values():
            if execution.type == REPORTER_TYPE:
                return read_final_status(execution.custom_properties["final_status"].string_value)
        return None

    def outputs(self, node: str) -> list[metadata_store_pb2.Artifact]:
        """All that the node gave; nothing where it did not run, or failed."""
        return self._artifacts(node, None, OUTPUT) if node in self._executions else []

    def output_if_any(self, node: str, key: str) -> metadata_store_pb2.Artifact | None:
        """The node's output artifact of that key, or None where the run did not come so far."""
        found = self._artifacts(node, key, OUTPUT) if node in self._executions else []
        return next(iter(found), None)

    def output(self, node: str, key: str) -> metadata_store_pb2.Artifact:
        """The node's output artifact of that key."""
        found = next(iter(self._artifacts(node, key, OUTPUT)), None)
        if found is None:
            raise BadInputError(
                f"ML Metadata lacks what {node} gave in the run {self.name}; look at the release's "
                "manifest."
            )
        return found

    def input(self, node: str, key: str) -> metadata_store_pb2.Artifact | None:
        """The node's input artifact of that key, or None where it had none."""
        return next(iter(self._artifacts(node, key, INPUT)), None)

    def training_figures(self) -> dict[str, Any] | None:
        """What was noted of the training; None where there was none, or its folder is gone."""
        model = self.output_if_any("Trainer", "model")
        if model is None:
            return None
        file = filesystem.join(model.uri, SERVING_FOLDER, HISTORY_FILE)
        text = filesystem.read_text_if_there(file)
        return None if text is None else json.loads(text)

    def told(self, node: str, key: str) -> str:
        """A text among the node's execution properties."""
        return self._execution(node).custom_properties[key].string_value

    def _execution(self, node: str) -> metadata_store_pb2.Execution:
        if node not in self._executions:
            raise BadInputError(
                f"The run {self.name} did not come as far as {node}; choose another, or run again."
            )
        return self._executions[node]

    def _artifacts(
        self, node: str, key: str | None, kind: int
    ) -> list[metadata_store_pb2.Artifact]:
        events = self._store.get_events_by_execution_ids([self._execution(node).id])
        found = [
            event.artifact_id
            for event in events
            if event.type == kind and key in (None, event.path.steps[0].key)
        ]
        return self._store.get_artifacts_by_id(found) if found else []


def number_of(value: metadata_store_pb2.Value) -> float:
    """A property that is a fraction; on a cluster it came as JSON, and 1.0 became 1 on the way."""
    return value.int_value if value.HasField("int_value") else value.double_value


def find_run(metadata_file: Path, pipeline_name: str | None = None, run: str | None = None) -> Run:
    """A run by its id, or the latest; of a pipeline by name, or of the only one."""
    store = open_store(metadata_file)
    pipelines = {context.name: context for context in store.get_contexts_by_type(PIPELINE_CONTEXT)}
    if pipeline_name is None and len(pipelines) == 1:
        (pipeline_name,) = pipelines
    if pipeline_name not in pipelines:
        raise BadInputError(
            f"{metadata_file.parent} holds runs of {', '.join(sorted(pipelines)) or 'nothing'}; "
            "name one of these pipelines."
        )
    runs = {context.name: context for context in _runs_of(store, pipelines[pipeline_name])}
    if run is not None and run not in runs:
        raise BadInputError(
            f"There is no run {run!r} of {pipeline_name}; the latest are "
            f"{', '.join(sorted(runs)[-5:])}."
        )
    chosen = runs[run] if run else max(runs.values(), key=lambda context: context.id)
    return Run(store, chosen, pipelines[pipeline_name].name)


def all_runs(store: mlmd.MetadataStore, last: int | None = None) -> list[Run]:
    """The runs of every pipeline, the newest last; only so many of them if told."""
    contexts = [
        (context, pipeline.name)
        for pipeline in store.get_contexts_by_type(PIPELINE_CONTEXT)
        for context in _runs_of(store, pipeline)
    ]
    contexts.sort(key=lambda found: found[0].id)
    return [Run(store, context, name) for context, name in contexts[-last if last else 0 :]]


def _runs_of(
    store: mlmd.MetadataStore, pipeline: metadata_store_pb2.Context
) -> list[metadata_store_pb2.Context]:
    return [
        context
        for context in store.get_children_contexts_by_context(pipeline.id)
        if store.get_context_types_by_id([context.type_id])[0].name == RUN_CONTEXT
    ]


def _node_of(store: mlmd.MetadataStore, execution: metadata_store_pb2.Execution) -> str:
    """The node's id, which TFX keeps as a context of the execution."""
    for context in store.get_contexts_by_execution(execution.id):
        if store.get_context_types_by_id([context.type_id])[0].name == NODE_CONTEXT:
            return context.name.rpartition(".")[2]
    return ""
