"""Nodes that look up what earlier runs have made.

Vertex AI answers a resolver itself. Open-source KFP refuses a spec that holds one ("non-container
and non-importer executor not implemented"), so a container of ours stands in for it.
"""

from __future__ import annotations

from collections.abc import Iterable

from tfx.dsl.components.base.base_node import BaseNode
from tfx.utils import name_utils

from kubeflow.container import latest
from kubeflow.spec.entry_point import COMMAND, invocation
from kubeflow.spec.layout import Spec, component_of, containers, executor_of, tasks_of
from models import filesystem


def replace_resolvers(spec: Spec, folder: str, image: str) -> None:
    """Containers that read records, instead of queries; nodes that leave the records."""
    resolvers = _resolvers(spec)
    asked_for = {one for name in resolvers for one in _outputs(spec, tasks_of(spec)[name])}
    for _, task, container in containers(spec):
        if asked_for & _outputs(spec, task):
            container["args"] += ["--record", folder]
    for name in resolvers:
        task = tasks_of(spec)[name]
        types = _outputs(spec, task)
        # TFX makes two tasks of one resolver for a blessed model; these share a record.
        of_blessed = name.endswith("-resolver")
        record = latest.BLESSED_RECORD if of_blessed else latest.record_name(min(types))
        _read_record(spec, task, filesystem.join(folder, record), image)


def allow_absent_inputs(spec: Spec, nodes: Iterable[BaseNode]) -> None:
    """On a first run a resolver finds nothing; who reads it must start all the same."""
    resolvers = _resolvers(spec)
    optional = {node.id: _optional_inputs(node) for node in nodes}
    for name, task in tasks_of(spec).items():
        for key, source in task.get("inputs", {}).get("artifacts", {}).items():
            producer = source.get("taskOutputArtifact", {}).get("producerTask")
            if producer in resolvers or key in optional.get(name, ()):
                artifacts = component_of(spec, task)["inputDefinitions"]["artifacts"]
                artifacts[key]["isOptional"] = True


def _read_record(spec: Spec, task: Spec, record: str, image: str) -> None:
    """Turn a resolver's task into one that runs our container."""
    component, key = component_of(spec, task), latest.RECORD_KEY
    component["inputDefinitions"] = {"parameters": {key: {"parameterType": "STRING"}}}
    task["inputs"] = {"parameters": {key: {"runtimeValue": {"constant": record}}}}
    task["cachingOptions"] = {}  # its answer is another one after each run
    executor = executor_of(spec, task)
    del executor["resolver"]
    executor["container"] = {
        "image": image,
        "command": list(COMMAND),
        "args": invocation(name_utils.get_full_name(latest.Executor), component),
    }


def _resolvers(spec: Spec) -> set[str]:
    return {name for name, task in tasks_of(spec).items() if "resolver" in executor_of(spec, task)}


def _optional_inputs(node: BaseNode) -> set[str]:
    spec = getattr(node, "spec", None)
    return {key for key, one in spec.INPUTS.items() if one.optional} if spec else set()


def _outputs(spec: Spec, task: Spec) -> set[str]:
    """The types of what a task gives."""
    outputs = component_of(spec, task).get("outputDefinitions", {}).get("artifacts", {})
    schemas = (output["artifactType"]["instanceSchema"] for output in outputs.values())
    return {latest.type_name_in(schema) for schema in schemas}
