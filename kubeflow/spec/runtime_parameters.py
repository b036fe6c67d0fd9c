"""Runtime parameters: inputs of the root, handed down to the nodes that they concern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfx.orchestration.kubeflow.utils import TFX_DAG_NAME

from kubeflow.container.parameters import RuntimeParameter
from kubeflow.spec.layout import Spec, component_of, tasks_of


def add_runtime_parameters(spec: Spec, parameters: Sequence[RuntimeParameter]) -> None:
    """Declare them at the root and hand each to its nodes."""
    for parameter in parameters:
        _declare(spec["root"], parameter.name, parameter.kind, parameter.default)
        for node in parameter.nodes:
            task = tasks_of(spec)[node]
            _declare(component_of(spec, task), parameter.task_name, parameter.kind)
            _inputs(task)[parameter.task_name] = {"componentInputParameter": parameter.name}


def hand_down_to_inner_dag(spec: Spec) -> None:
    """Beside an exit handler the nodes lie one level down, and TFX hands nothing there."""
    inner = spec["components"][TFX_DAG_NAME]
    task = spec["root"]["dag"]["tasks"][TFX_DAG_NAME]
    for name, declared in _declared(spec["root"]).items():
        _declare(inner, name, declared["parameterType"])
        _inputs(task)[name] = {"componentInputParameter": name}


def _declare(component: Spec, name: str, kind: str, default: Any = None) -> None:
    declared = {"parameterType": kind} | ({} if default is None else {"defaultValue": default})
    _declared(component)[name] = declared


def _declared(component: Spec) -> Spec:
    return component.setdefault("inputDefinitions", {}).setdefault("parameters", {})


def _inputs(task: Spec) -> Spec:
    return task.setdefault("inputs", {}).setdefault("parameters", {})
