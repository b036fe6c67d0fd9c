"""Where things lie in a compiled spec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tfx.orchestration.kubeflow.utils import TFX_DAG_NAME

Spec = dict[str, Any]


def tasks_of(spec: Spec) -> Spec:
    """The tasks of the DAG's nodes, by name; TFX puts them a level below the exit handler."""
    return spec["components"][TFX_DAG_NAME]["dag"]["tasks"]


def component_of(spec: Spec, task: Spec) -> Spec:
    return spec["components"][task["componentRef"]["name"]]


def executor_of(spec: Spec, task: Spec) -> Spec:
    label = component_of(spec, task)["executorLabel"]
    return spec["deploymentSpec"]["executors"][label]


def containers(spec: Spec) -> Iterator[tuple[str, Spec, Spec]]:
    """The name, task and container of each task that runs in one, exit handler included."""
    tasks = tasks_of(spec) | spec["root"]["dag"]["tasks"]
    for name, task in tasks.items():
        if name != TFX_DAG_NAME:
            executor = executor_of(spec, task)
            if "container" in executor:
                yield name, task, executor["container"]
