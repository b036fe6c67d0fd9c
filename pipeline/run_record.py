"""A run in one line: how it went, how long it took, and what it cost and gave."""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ml_metadata.proto.metadata_store_pb2 import Execution

from components.wer_evaluator.scores import MAIN_TRIAL
from models import filesystem
from pipeline.config import RunConfig
from pipeline.local import LAST_NODE, LAST_OF_INGEST, LOGS_FOLDER, METADATA_FILE
from pipeline.metadata import open_server, open_store
from pipeline.runs import Run, all_runs, number_of

State = Literal["running", "stopped?", "failed", "ingested", "refused", "released", "complete"]
# A process that was killed leaves its node as running for ever. What goes on writes to its log or
# to ML Metadata far more often than this.
SILENT_SECONDS = 3600
# A cluster says when a run has ended, however it did; one that was cancelled may end unsaid.
LONGEST_ON_A_CLUSTER_SECONDS = 14 * 24 * 3600


@dataclass(frozen=True)
class RunRecord:
    """What `w2v runs` tells of a run; None where there is nothing to tell."""

    run: str
    pipeline: str
    started: str  # ISO 8601, UTC
    state: State
    failed_at: str | None  # the node
    seconds: float
    nodes_run: int
    nodes_from_cache: int
    # What was paid for: of a training that came from the cache nothing.
    audio_hours_trained: float | None
    training_seconds: float | None
    training_steps: int | None
    wer: float | None  # of the main trial
    bytes_written: int | None  # None on a remote filesystem, where counting costs
    version: str | None
    already_published: bool


def read_records(
    root: Path, last: int | None = None, config: RunConfig | None = None
) -> list[RunRecord]:
    """The runs below a root, or those on the server that a config names; the newest last."""
    store = open_server(config) if config else open_store(root / METADATA_FILE)
    runs = all_runs(store, last)
    newest = {run.pipeline: run for run in runs}
    return [read_record(run, may_go_on=_may_go_on(run, newest[run.pipeline], root)) for run in runs]


def read_record(run: Run, may_go_on: bool = False) -> RunRecord:
    """What ML Metadata and the artifacts say of a run.

    `may_go_on`: a run without an end may be one that is running, and not one that was killed.
    """
    work = run.work
    ended = _last_written(work)
    pushed = run.output_if_any(LAST_NODE, "pushed_model")
    version = pushed.custom_properties["pushed_version"].string_value if pushed else ""
    history = run.training_figures() if was_run(work.get("Trainer")) else None
    return RunRecord(
        run=run.name,
        pipeline=run.pipeline,
        started=as_utc(run.started),
        state=_state_of(run, work, bool(version), may_go_on),
        failed_at=_failed_at(work),
        seconds=max(ended - run.started, 0.0),
        nodes_run=sum(was_run(one) for one in work.values()),
        nodes_from_cache=sum(one.last_known_state == Execution.CACHED for one in work.values()),
        audio_hours_trained=history["audio_seconds"] / 3600 if history else None,
        training_seconds=history["seconds"] if history else None,
        training_steps=history["evaluations"][-1]["step"] if history else None,
        wer=_wer_of(run),
        bytes_written=_bytes_written(run, work),
        version=version or None,
        already_published=bool(pushed and pushed.custom_properties["already"].int_value),
    )


def _wer_of(run: Run) -> float | None:
    evaluation = run.output_if_any("WerEvaluator", "evaluation")
    told = evaluation.custom_properties.get(f"wer/{MAIN_TRIAL}") if evaluation else None
    return None if told is None else number_of(told)


def as_utc(seconds: float) -> str:
    """A moment in ISO 8601.

    >>> as_utc(0)
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")


def _state_of(run: Run, work: dict[str, Execution], published: bool, may_go_on: bool) -> State:
    status = run.final_status
    if _failed_at(work) or (status and not status.succeeded):
        return "failed"
    if _is_over(work.get(LAST_NODE)):
        blessing = run.output_if_any("ReleaseGate", "blessing")
        if blessing and not blessing.custom_properties["blessed"].int_value:
            return "refused"
        return "released" if published else "complete"
    if status:
        return "complete"
    # A whole run on this machine imports its checkpoint before it reads the corpus.
    ingested = _is_over(work.get(LAST_OF_INGEST)) and "CheckpointImporter" not in work
    if ingested and not run.on_cluster:
        return "ingested"
    return "running" if may_go_on else "stopped?"


def _failed_at(work: dict[str, Execution]) -> str | None:
    ends = (Execution.FAILED, Execution.CANCELED)
    return next((node for node, one in work.items() if one.last_known_state in ends), None)


def was_run(execution: Execution | None) -> bool:
    """Whether the node did its work, and did not find it in the cache."""
    return execution is not None and execution.last_known_state == Execution.COMPLETE


def _is_over(execution: Execution | None) -> bool:
    # Unknown is what a node made whose run went well while the server was away.
    ends = (Execution.COMPLETE, Execution.CACHED, Execution.UNKNOWN)
    return execution is not None and execution.last_known_state in ends


def _bytes_written(run: Run, work: dict[str, Execution]) -> int | None:
    """What the nodes that were run left in their folders."""
    folders = [
        artifact.uri
        for node, execution in work.items()
        if was_run(execution)
        for artifact in run.outputs(node)
    ]
    if any(filesystem.is_remote(folder) for folder in folders):
        return None
    return sum(
        filesystem.size(filesystem.join(folder, name))
        for folder in folders
        for name in filesystem.list_files(folder)
    )


def _last_written(work: dict[str, Execution]) -> float:
    return max((one.last_update_time_since_epoch for one in work.values()), default=0) / 1000


def _may_go_on(run: Run, newest: Run, root: Path) -> bool:
    """Whether a run without an end may be one that is running."""
    if run.on_cluster:  # where several may run at once, and a node may be silent for days
        return time.time() - run.started < LONGEST_ON_A_CLUSTER_SECONDS
    return run is newest and _is_heard_of(run, root)


def _is_heard_of(run: Run, root: Path) -> bool:
    """Whether the run, or whatever runs below this root, has written something lately."""
    logs = [filesystem.modified(log) for log in (root / LOGS_FOLDER).glob("*.log")]
    return time.time() - max(_last_written(run.work), *logs, run.started) < SILENT_SECONDS
