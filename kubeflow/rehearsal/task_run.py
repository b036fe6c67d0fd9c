"""One containerised task: told what the service would tell it, run, and asked what it made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as proto

from kubeflow.rehearsal.at_home import at_home, recorded_at_home
from kubeflow.rehearsal.causes import cause_of
from kubeflow.rehearsal.container import run_container
from kubeflow.rehearsal.job import Task
from kubeflow.rehearsal.outcome import TaskOutcome
from kubeflow.rehearsal.placeholders import fill
from kubeflow.rehearsal.stage import Stage
from kubeflow.rehearsal.values import parse_value
from kubeflow.rehearsal.wiring import Given, executor_input, made_by, take_driver_output


def run_task(
    task: Task,
    spec: proto.PipelineTaskSpec,
    component: proto.ComponentSpec,
    container: proto.PipelineDeploymentConfig.PipelineContainerSpec,
    given: Given,
    stage: Stage,
) -> TaskOutcome:
    """Run the task's container; again, if it fails and retries are wanted."""
    run = _TaskRun(task, component, container, given, stage)
    tries = 1 + (spec.retry_policy.max_retry_count if stage.with_retries else 0)
    for _ in range(tries):
        outcome = run.once()
        if outcome.state == "SUCCEEDED":
            break
    return outcome


@dataclass
class _TaskRun:
    """The tries of one task."""

    task: Task
    component: proto.ComponentSpec
    container: proto.PipelineDeploymentConfig.PipelineContainerSpec
    given: Given
    stage: Stage
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def once(self) -> TaskOutcome:
        """One try: the check before the cache, if there is one, and the container itself."""
        told = executor_input(self.task, self.component, self.given)
        self._make_room(told)
        self._output_file.unlink(missing_ok=True)
        before_cache = self.container.lifecycle.pre_cache_check
        if before_cache.command:
            exit_code = self._run([*before_cache.command, *before_cache.args], told)
            if exit_code:
                return self._failed(exit_code, "the check before the cache: ")
            take_driver_output(told, self._output())
        exit_code = self._run([*self.container.command, *self.container.args], told)
        if exit_code:
            return self._failed(exit_code)
        return self._outcome("SUCCEEDED", exit_code, made=self._made(told))

    def _run(self, words: Sequence[str], told: proto.ExecutorInput) -> int:
        filled = [fill(word, told, self.task.placeholders()) for word in words]
        words_here = [self.stage.places.here(word) for word in filled]
        recorded_here = recorded_at_home(words_here, self.stage.root)
        command = at_home(recorded_here, self.given.parameters)
        self.notes = tuple(dict.fromkeys((*self.notes, *command.notes)))
        scratch = self.stage.folder / "scratch" / self.task.id
        declared = {one.name: self.stage.places.here(one.value) for one in self.container.env}
        ran = run_container(command.words, declared, self.stage.image, scratch, self._log)
        self.seconds += ran.seconds
        return ran.exit_code

    @property
    def _log(self) -> Path:
        return self.stage.log(self.task.name)

    @property
    def _output_file(self) -> Path:
        return Path(self.stage.places.here(self.task.output_file))

    def _make_room(self, told: proto.ExecutorInput) -> None:
        """A bucket has no folders to make; here they must be there."""
        folder = Path(self.stage.places.here(self.task.folder))
        folder.mkdir(parents=True, exist_ok=True)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.with_suffix(".json").write_text(
            json_format.MessageToJson(told, sort_keys=True), encoding="utf-8"
        )

    def _output(self) -> proto.ExecutorOutput:
        """What the container says it made, in the cluster's terms."""
        if not self._output_file.exists():
            return proto.ExecutorOutput()
        text = self.stage.places.there(self._output_file.read_text(encoding="utf-8"))
        return json_format.Parse(text, proto.ExecutorOutput(), ignore_unknown_fields=True)

    def _made(self, told: proto.ExecutorInput) -> Given:
        made = made_by(told, self._output())
        parameters = dict(made.parameters)
        for key, declared in self.component.output_definitions.parameters.items():
            file = Path(self.stage.places.here(told.outputs.parameters[key].output_file))
            if key not in parameters and file.exists():
                kind = proto.ParameterType.ParameterTypeEnum.Name(declared.parameter_type)
                parameters[key] = parse_value(key, file.read_text(encoding="utf-8"), kind)
        return Given(parameters, made.artifacts)

    def _failed(self, exit_code: int, where: str = "") -> TaskOutcome:
        cause = where + cause_of(self._log, exit_code, self.stage.places)
        return self._outcome("FAILED", exit_code, cause=cause)

    def _outcome(
        self, state: str, exit_code: int, made: Given | None = None, cause: str = ""
    ) -> TaskOutcome:
        return TaskOutcome(
            self.task.name,
            state,
            made=made or Given(),
            seconds=self.seconds,
            exit_code=exit_code,
            log=self._log,
            cause=cause,
            notes=self.notes,
        )
