"""Run the DAG on this machine: TFX's own runners over SQLite ML Metadata."""

from __future__ import annotations

from pathlib import Path

from tfx.orchestration import metadata
from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner
from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from pipeline.config import RunConfig, RunnerName
from pipeline.dag import create_pipeline
from pipeline.local import METADATA_FILE, beam_args
from pipeline.provenance import provenance_of

RUNNERS: dict[RunnerName, type] = {"local": LocalDagRunner, "beam": BeamDagRunner}
ARTIFACTS_FOLDER = "pipeline"


def run_pipeline(config: RunConfig, root: Path, runner: RunnerName = "local") -> None:
    """Run every node; artifacts and metadata stay below `root`."""
    root.mkdir(parents=True, exist_ok=True)
    dag = create_pipeline(
        config,
        provenance_of(config),
        root=str(root / ARTIFACTS_FOLDER / config.name),
        beam_args=beam_args(config.runner.beam_workers),
        metadata_connection_config=metadata.sqlite_metadata_connection_config(
            str(root / METADATA_FILE)
        ),
    )
    RUNNERS[runner]().run(dag)
