"""Containers that record what their nodes do, where `runner.metadata` names a server for it."""

from __future__ import annotations

from collections.abc import Sequence

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver

from components.run_reporter.component import RunReporter
from kubeflow.compiled_file import Target
from kubeflow.container.recording import RUN_ID, Recording
from kubeflow.names import METADATA_FLAG
from kubeflow.spec.layout import Spec, component_of, containers
from pipeline.config import RunConfig
from schemas.properties import to_json

# What an artifact's place says of its run. No other node may be told: it would never be cached.
RUN_ID_SAID_BY = {"vertex": "{{$.pipeline_job_name}}", "kfp": "{{$.pipeline_job_uuid}}"}


def record_nodes(
    spec: Spec, nodes: Sequence[BaseNode], reporter: RunReporter, config: RunConfig, target: Target
) -> None:
    """Add the flag to every node that does work, and the run's id to the one that ends it."""
    if not config.runner.metadata:
        return
    workers = {node.id: node for node in nodes if not isinstance(node, Resolver)}
    for name, task, container in containers(spec):
        ends = name == reporter.id
        if not ends and name not in workers:  # stands in for what the service does elsewhere
            continue
        node = reporter if ends else workers[name]
        recording = Recording(
            address=config.runner.metadata,
            password=config.runner.metadata_password,
            pipeline=config.name,
            node=name,
            type=node.type,
            base_type=_base_type(node),
            makers=_makers(task, {*workers}),
            nodes=tuple(workers) if ends else (),
        )
        container["args"] += [METADATA_FLAG, to_json(recording)]
        if ends:
            declared = component_of(spec, task)["inputDefinitions"]["parameters"]
            declared[RUN_ID] = {"parameterType": "STRING"}
            said = {"runtimeValue": {"constant": RUN_ID_SAID_BY[target]}}
            task["inputs"]["parameters"][RUN_ID] = said


def _base_type(node: BaseNode) -> int:
    kind = node.type_annotation if isinstance(node, BaseComponent) else None
    return kind.MLMD_SYSTEM_BASE_TYPE if kind else 0


def _makers(task: Spec, workers: set[str]) -> dict[str, str]:
    """The node that each input comes from; what a resolver looked up is of an earlier run."""
    sources = task.get("inputs", {}).get("artifacts", {})
    producers = {
        key: source.get("taskOutputArtifact", {}).get("producerTask")
        for key, source in sources.items()
    }
    return {key: maker for key, maker in producers.items() if maker in workers}
