"""Run the DAG on this machine: TFX's own runners over ML Metadata."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline, RunOptions

from models import filesystem
from pipeline.config import RunConfig, RunnerName
from pipeline.dag import create_pipeline
from pipeline.engines import engine_args
from pipeline.local import METADATA_FILE
from pipeline.metadata import connection_of, passwords_hidden
from pipeline.provenance import provenance_of

RUNNERS: dict[RunnerName, type] = {"local": LocalDagRunner, "beam": BeamDagRunner}
ARTIFACTS_FOLDER = "pipeline"


def run_pipeline(
    config: RunConfig,
    root: Path,
    runner: RunnerName,
    expect_nodes: Callable[[int], None],
    last_node: str | None = None,
) -> None:
    """Run every node, or the last one named and all before it; metadata stays below `root`.

    `expect_nodes` is told how many that are before the first one starts.
    """
    root.mkdir(parents=True, exist_ok=True)
    artifacts = config.runner.artifacts or str(root / ARTIFACTS_FOLDER)
    dag = create_pipeline(
        config,
        provenance_of(config),
        root=filesystem.join(artifacts, config.name),
        beam_args=engine_args(config.runner),
        metadata_connection_config=connection_of(config.runner, root / METADATA_FILE),
    )
    expect_nodes(len(nodes_up_to(last_node, dag)) if last_node else len(dag.components))
    part = RunOptions(to_nodes=[last_node]) if last_node else None
    with passwords_hidden():
        RUNNERS[runner]().run(dag, run_options=part)


def nodes_up_to(last: str, dag: Pipeline) -> set[str]:
    """The node of that name and all that must run before it."""
    needed = {last}
    for node in reversed(dag.components):  # TFX keeps them in topological order
        if node.id in needed:
            needed |= {before.id for before in node.upstream_nodes}
    return needed
