"""The pipeline as the service conducts it: each task when those before it have ended."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as proto

from kubeflow.rehearsal.condition import holds
from kubeflow.rehearsal.environment import prepare_image
from kubeflow.rehearsal.graph import CONTAINER, RESOLVER, check_graph, in_order
from kubeflow.rehearsal.history import History
from kubeflow.rehearsal.instant_tasks import import_artifact, resolve_artifacts
from kubeflow.rehearsal.job import Job, Task
from kubeflow.rehearsal.outcome import Rehearsal, TaskOutcome
from kubeflow.rehearsal.parameters import runtime_parameters
from kubeflow.rehearsal.places import places_of
from kubeflow.rehearsal.spec import CompiledPipeline
from kubeflow.rehearsal.stage import Stage
from kubeflow.rehearsal.task_run import run_task
from kubeflow.rehearsal.wiring import Ended, Given, bind, outputs_of_dag, producers

WHATEVER_HAPPENED = proto.PipelineTaskSpec.TriggerPolicy.ALL_UPSTREAM_TASKS_COMPLETED


def rehearse(
    pipeline: CompiledPipeline,
    root: Path,
    mounts: Sequence[str] = (),
    settings: Sequence[str] = (),
    code: Path | None = None,
    with_retries: bool = False,
    starts: Callable[[str], None] = lambda name: None,
    ended: Callable[[TaskOutcome], None] = lambda outcome: None,
) -> Rehearsal:
    """Run every task of a compiled pipeline on this machine; nothing starts after a failure.

    `root` keeps all that the tasks make, for later rehearsals too. `code` is a folder with the
    image's files, in place of those that this checkout would build it from.
    """
    check_graph(pipeline, pipeline.spec.root.dag)
    parameters = runtime_parameters(pipeline, settings)
    root = root.absolute()
    image = prepare_image(root / "image", code)
    job = Job(pipeline, datetime.datetime.now(datetime.UTC))
    stage = Stage(
        job=job,
        places=places_of(root, image.code, mounts),
        image=image,
        history=History(root / "artifacts.jsonl", pipeline.name),
        root=root,
        folder=root / "rehearsals" / job.id,
        with_retries=with_retries,
    )
    conductor = _Conductor(stage, starts, ended)
    conductor.run_dag(pipeline.spec.root.dag, Given(parameters))
    return Rehearsal(pipeline.name, tuple(conductor.outcomes), _notes(stage), stage.folder)


class _Conductor:
    """Walks the graph and keeps what became of each task."""

    def __init__(
        self,
        stage: Stage,
        starts: Callable[[str], None],
        ended: Callable[[TaskOutcome], None],
    ) -> None:
        self.outcomes: list[TaskOutcome] = []
        self._stage = stage
        self._starts = starts
        self._ended = ended

    def run_dag(self, dag: proto.DagSpec, outer: Given) -> Ended:
        """Run a group of tasks; the group fails with the first of them that does."""
        ended: dict[str, Ended] = {}
        for name in in_order(dag):
            ended[name] = self._run(name, dag.tasks[name], outer, ended)
        failed = [one for one in ended.values() if one.state == "FAILED"]
        if failed:
            return dataclasses.replace(failed[0], made=Given())
        return Ended("SUCCEEDED", outputs_of_dag(dag, ended))

    def _run(
        self,
        name: str,
        task: proto.PipelineTaskSpec,
        outer: Given,
        ended: Mapping[str, Ended],
    ) -> Ended:
        stage = self._stage
        component = stage.job.pipeline.component(task)
        if not self._is_due(task, ended):
            return self._not_triggered(name, component, "what it waits for did not succeed")
        given = bind(name, task, component, outer, ended, stage.job)
        condition = task.trigger_policy.condition
        if condition and not holds(condition, _seen_by_condition(given)):
            return self._not_triggered(name, component, f"its condition is false: {condition}")
        if component.WhichOneof("implementation") == "dag":
            return self.run_dag(component.dag, given)
        self._starts(name)
        outcome = _run_leaf(Task(stage.job, name), task, component, given, stage)
        self._keep(outcome)
        if outcome.state != "SUCCEEDED":
            return Ended("FAILED", error=f"{name} failed: {outcome.cause}")
        return Ended("SUCCEEDED", outcome.made)

    def _is_due(self, task: proto.PipelineTaskSpec, ended: Mapping[str, Ended]) -> bool:
        if task.trigger_policy.strategy == WHATEVER_HAPPENED:
            return True
        any_failed = any(outcome.state == "FAILED" for outcome in self.outcomes)
        return not any_failed and all(ended[before].succeeded for before in producers(task))

    def _not_triggered(self, name: str, component: proto.ComponentSpec, why: str) -> Ended:
        for inner in component.dag.tasks:
            self._keep(TaskOutcome(inner, "NOT_TRIGGERED", cause=why))
        if not component.dag.tasks:
            self._keep(TaskOutcome(name, "NOT_TRIGGERED", cause=why))
        return Ended("NOT_TRIGGERED")

    def _keep(self, outcome: TaskOutcome) -> None:
        self.outcomes.append(outcome)
        self._ended(outcome)


def _run_leaf(
    task: Task,
    spec: proto.PipelineTaskSpec,
    component: proto.ComponentSpec,
    given: Given,
    stage: Stage,
) -> TaskOutcome:
    """Run what is no group: a container, a resolver or an importer."""
    executor = stage.job.pipeline.executor(component)
    kind = executor.WhichOneof("spec")
    if kind == RESOLVER:
        made = resolve_artifacts(executor.resolver, given, stage.history)
        return TaskOutcome(task.name, "SUCCEEDED", how=kind, made=made)
    if kind == CONTAINER:
        outcome = run_task(task, spec, component, executor.container, given, stage)
    else:
        made = import_artifact(task, executor.importer, component, given)
        outcome = TaskOutcome(task.name, "SUCCEEDED", how=kind, made=made)
    if outcome.state == "SUCCEEDED":
        stage.history.add(one for made in outcome.made.artifacts.values() for one in made)
    return outcome


def _seen_by_condition(given: Given) -> dict[str, object]:
    artifacts = {
        key: {"artifacts": [json_format.MessageToDict(one) for one in found]}
        for key, found in given.artifacts.items()
    }
    return {
        "artifacts": artifacts,
        "parameter_values": given.parameters,
        "parameters": given.parameters,
    }


def _notes(stage: Stage) -> tuple[str, ...]:
    others = stage.image.other_versions
    if not others:
        return ()
    name, here, there = others[0]
    return (
        f"{len(others)} packages have another version here than in the image, such as {name}: "
        f"{here} here, {there} there",
    )
