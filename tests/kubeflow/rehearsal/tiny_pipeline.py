"""Compiled pipelines of tasks that are a few lines of Python each, as a cluster would be given."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = "gs://bucket/root"
# What a task's code finds: what it was told, and a way to say what it made.
PRELUDE = """
import json, os, pathlib, sys
told = json.loads(sys.argv[1])
given = told.get("inputs", {}).get("parameterValues", {})
old = told.get("inputs", {}).get("parameters", {})
taken = told.get("inputs", {}).get("artifacts", {})
def made(name): return told["outputs"]["artifacts"][name]["artifacts"][0]["uri"]
def write(name, text):
    pathlib.Path(made(name)).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(made(name)).write_text(text)
def read(name): return pathlib.Path(taken[name]["artifacts"][0]["uri"]).read_text()
def say(**metadata):
    out = {name: {"artifacts": [{"metadata": told_of}]} for name, told_of in metadata.items()}
    pathlib.Path(told["outputs"]["outputFile"]).write_text(json.dumps({"artifacts": out}))
"""


@dataclass(frozen=True)
class Task:
    """A task of Python code; what it takes is named as `producer.output`."""

    code: str = "pass"
    takes: dict[str, str] = field(default_factory=dict)
    makes: dict[str, str] = field(default_factory=dict)  # name: type
    constants: dict[str, Any] = field(default_factory=dict)
    runtime: dict[str, str] = field(default_factory=dict)  # name: the pipeline's parameter
    after: tuple[str, ...] = ()
    args: tuple[str, ...] = ("{{$}}",)
    # Whatever else the spec says of the task, of its container, or instead of a container.
    extra: dict[str, Any] = field(default_factory=dict)
    container: dict[str, Any] = field(default_factory=dict)
    executor: dict[str, Any] | None = None


def write_job(to: Path, tasks: dict[str, Task], parameters: dict[str, dict] | None = None) -> Path:
    """A Vertex PipelineJob of the tasks; `parameters` are declared at its root."""
    job = {
        "displayName": "tiny",
        "pipelineSpec": spec_of(tasks, parameters or {}),
        "runtimeConfig": {"gcsOutputDirectory": ROOT},
    }
    to.write_text(json.dumps(job))
    return to


def write_kfp(to: Path, tasks: dict[str, Task]) -> Path:
    """The same as open-source Kubeflow takes it."""
    to.write_text(yaml.safe_dump(spec_of(tasks, {}) | {"defaultPipelineRoot": ROOT}))
    return to


def spec_of(tasks: dict[str, Task], parameters: dict[str, dict]) -> dict[str, Any]:
    return {
        "pipelineInfo": {"name": "tiny"},
        "schemaVersion": "2.1.0",
        "components": {name: _component(name, task) for name, task in tasks.items()},
        "deploymentSpec": {"executors": {name: _executor(task) for name, task in tasks.items()}},
        "root": {
            "inputDefinitions": {"parameters": parameters},
            "dag": {"tasks": {name: _task(name, task) for name, task in tasks.items()}},
        },
    }


def _component(name: str, task: Task) -> dict[str, Any]:
    names = [*task.constants, *task.runtime]
    return {
        "executorLabel": name,
        "inputDefinitions": {
            "parameters": {key: {"parameterType": "STRING"} for key in names},
            "artifacts": {key: {"artifactType": _type("tfx.Examples")} for key in task.takes},
        },
        "outputDefinitions": {
            "artifacts": {key: {"artifactType": _type(title)} for key, title in task.makes.items()}
        },
    }


def _type(title: str) -> dict[str, str]:
    return {"instanceSchema": f"title: {title}\ntype: object\n"}


def _executor(task: Task) -> dict[str, Any]:
    if task.executor is not None:
        return task.executor
    command = ["python", "-c", PRELUDE + task.code]
    return {"container": {"image": "i", "command": command, "args": [*task.args]} | task.container}


def _task(name: str, task: Task) -> dict[str, Any]:
    constants = {key: {"runtimeValue": {"constant": one}} for key, one in task.constants.items()}
    runtime = {key: {"componentInputParameter": one} for key, one in task.runtime.items()}
    producers = [taken.partition(".") for taken in task.takes.values()]
    artifacts = {
        key: {"taskOutputArtifact": {"producerTask": producer, "outputArtifactKey": output}}
        for key, (producer, _, output) in zip(task.takes, producers, strict=True)
    }
    return {
        "taskInfo": {"name": name},
        "componentRef": {"name": name},
        "inputs": {"parameters": constants | runtime, "artifacts": artifacts},
        "dependentTasks": sorted({*task.after, *(producer for producer, _, _ in producers)}),
        **task.extra,
    }
