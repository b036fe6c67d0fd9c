"""What came of a run, read from ML Metadata: verdict, word error rates, what was published."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from components.release_gate.report import HTML_FILE, Verdict, read_verdict
from components.wer_evaluator.scores import whole
from models import filesystem
from models.errors import GateRefusedError
from models.training.node import HISTORY_FILE

RUN_CONTEXT = "pipeline_run"
PIPELINE_CONTEXT = "pipeline"


@dataclass(frozen=True)
class Outcome:
    """The end of a run, for people and for machines."""

    verdict: Verdict
    report: str
    dev_wer_before: float
    dev_wer_after: float
    release: str | None  # the folder of the published version
    version: str | None
    already_published: bool

    @property
    def exit_code(self) -> int:
        return 0 if self.verdict.blessed else GateRefusedError.exit_code

    def as_json(self) -> dict[str, Any]:
        """What `w2v run --json` prints."""
        return {
            "blessed": self.verdict.blessed,
            "findings": [dataclasses.asdict(finding) for finding in self.verdict.findings],
            "wer": {score.trial: score.wer for score in whole(self.verdict.scores)},
            "dev_wer": {"before": self.dev_wer_before, "after": self.dev_wer_after},
            "release": self.release,
            "version": self.version,
            "already_published": self.already_published,
            "report": self.report,
        }


def read_outcome(metadata_file: Path, pipeline_name: str) -> Outcome:
    """The outcome of the latest run of a pipeline."""
    run = _LatestRun(_open_store(metadata_file), pipeline_name)
    report = run.output("ReleaseGate", "report").uri
    model = run.output("Trainer", "model").uri
    pushed = run.output("ReleasePusher", "pushed_model").custom_properties
    history = _read_history(model)
    return Outcome(
        verdict=read_verdict(report),
        report=filesystem.join(report, HTML_FILE),
        dev_wer_before=history["initial_wer"],
        dev_wer_after=history["best"]["wer"],
        release=pushed["pushed_destination"].string_value or None,
        version=pushed["pushed_version"].string_value or None,
        already_published=bool(pushed["already"].int_value),
    )


class _LatestRun:
    """The executions of a pipeline's latest run, by node."""

    def __init__(self, store: mlmd.MetadataStore, pipeline_name: str) -> None:
        self._store = store
        pipeline = store.get_context_by_type_and_name(PIPELINE_CONTEXT, pipeline_name)
        runs = [
            context
            for context in store.get_children_contexts_by_context(pipeline.id)
            if store.get_context_types_by_id([context.type_id])[0].name == RUN_CONTEXT
        ]
        latest = max(runs, key=lambda run: run.id)
        self._executions = {
            _node_of(store, execution): execution
            for execution in store.get_executions_by_context(latest.id)
        }

    def output(self, node: str, key: str) -> metadata_store_pb2.Artifact:
        """The node's output artifact of that key."""
        events = self._store.get_events_by_execution_ids([self._executions[node].id])
        outputs = [
            event.artifact_id
            for event in events
            if event.type == metadata_store_pb2.Event.OUTPUT and event.path.steps[0].key == key
        ]
        return self._store.get_artifacts_by_id(outputs)[0]


def _open_store(metadata_file: Path) -> mlmd.MetadataStore:
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(metadata_file)
    return mlmd.MetadataStore(connection)


def _node_of(store: mlmd.MetadataStore, execution: metadata_store_pb2.Execution) -> str:
    """The node's id, which TFX keeps as a context of the execution."""
    for context in store.get_contexts_by_execution(execution.id):
        if store.get_context_types_by_id([context.type_id])[0].name == "node":
            return context.name.rpartition(".")[2]
    return ""


def _read_history(model: str) -> dict[str, Any]:
    path = filesystem.join(model, "Format-Serving", HISTORY_FILE)
    return json.loads(filesystem.read_text(path))
