"""Runtime parameters: inputs of the root, handed down to the nodes that they concern."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tfx.orchestration.kubeflow.utils import TFX_DAG_NAME

from components.release_pusher.component import ReleasePusher
from kubeflow.container.parameters import DEFAULTS, TASK_PREFIX, RuntimeParameter
from kubeflow.spec.layout import Spec, component_of, tasks_of


def add_runtime_parameters(spec: Spec, parameters: Sequence[RuntimeParameter]) -> None:
    """Declare them at the root and hand each to its nodes, and to the one that notes them down."""
    for parameter in parameters:
        _declare(spec["root"], parameter.name, parameter.kind, parameter.default)
        for node in parameter.nodes:
            _hand_to(node, parameter, spec)
    _note_in_release(spec, [parameter for parameter in parameters if parameter.nodes])


def hand_down_to_inner_dag(spec: Spec) -> None:
    """Beside an exit handler the nodes lie one level down, and TFX hands nothing there."""
    inner = spec["components"][TFX_DAG_NAME]
    task = spec["root"]["dag"]["tasks"][TFX_DAG_NAME]
    for name, declared in _declared(spec["root"]).items():
        _declare(inner, name, declared["parameterType"])
        _inputs(task)[name] = {"componentInputParameter": name}


def _note_in_release(spec: Spec, parameters: Sequence[RuntimeParameter]) -> None:
    """The config's digest is the same for all runs: the release says what this one was told."""
    task = tasks_of(spec)[ReleasePusher.__name__]
    for parameter in parameters:
        _hand_to(ReleasePusher.__name__, parameter, spec)
    defaults = {parameter.name: parameter.default for parameter in parameters}
    name, text = f"{TASK_PREFIX}{DEFAULTS}", json.dumps(defaults, sort_keys=True)
    _declare(component_of(spec, task), name, "STRING")
    _inputs(task)[name] = {"runtimeValue": {"constant": text}}


def _hand_to(node: str, parameter: RuntimeParameter, spec: Spec) -> None:
    task = tasks_of(spec)[node]
    _declare(component_of(spec, task), parameter.task_name, parameter.kind)
    _inputs(task)[parameter.task_name] = {"componentInputParameter": parameter.name}


def _declare(component: Spec, name: str, kind: str, default: Any = None) -> None:
    declared = {"parameterType": kind} | ({} if default is None else {"defaultValue": default})
    _declared(component)[name] = declared


def _declared(component: Spec) -> Spec:
    return component.setdefault("inputDefinitions", {}).setdefault("parameters", {})


def _inputs(task: Spec) -> Spec:
    return task.setdefault("inputs", {}).setdefault("parameters", {})
