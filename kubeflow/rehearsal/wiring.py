"""What a task is given and what it gave: from references to an ExecutorInput and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as proto

from kubeflow.rehearsal.job import LOCATION, Job, Task
from kubeflow.rehearsal.parameters import defaults, refuse_missing
from kubeflow.rehearsal.placeholders import fill
from kubeflow.rehearsal.values import is_old, new_value, of_type, old_value, plain_value, type_name
from models.errors import BadInputError

Artifacts = Mapping[str, list[proto.RuntimeArtifact]]
FINAL_STATUS_TASK_FAILED = 13  # what google.rpc calls INTERNAL


@dataclass(frozen=True)
class Given:
    """Parameters and artifacts, by name."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Artifacts = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """What became of a task: state as the service calls it, what it made, why it failed."""

    state: str  # SUCCEEDED, FAILED or NOT_TRIGGERED
    made: Given = field(default_factory=Given)
    error: str = ""

    @property
    def succeeded(self) -> bool:
        return self.state == "SUCCEEDED"


def bind(
    name: str,
    task: proto.PipelineTaskSpec,
    component: proto.ComponentSpec,
    outer: Given,
    ended: Mapping[str, Ended],
    job: Job,
) -> Given:
    """The inputs of a task, from the pipeline around it (`outer`) and the tasks before it.

    An artifact that nobody made, such as a resolver's on the very first run, is left out.
    """
    declared = component.input_definitions.parameters
    parameters = defaults(declared)
    for key, source in task.inputs.parameters.items():
        if key not in declared:
            raise BadInputError(
                f"The task {name} is handed a parameter {key} that its component does not declare; "
                "compile the pipeline again."
            )
        value = _parameter(name, key, source, outer, ended, job)
        parameters[key] = _as_declared(f"{name}.{key}", value, declared[key])
    refuse_missing(f"The task {name}", declared, parameters, "compile the pipeline again")
    artifacts = {
        key: found
        for key, source in task.inputs.artifacts.items()
        if (found := _artifacts(name, key, source, outer, ended))
    }
    return Given(parameters, artifacts)


def producers(task: proto.PipelineTaskSpec) -> set[str]:
    """The tasks that must have ended before this one."""
    inputs = [
        *(source.task_output_artifact.producer_task for source in task.inputs.artifacts.values()),
        *(source.task_output_parameter.producer_task for source in task.inputs.parameters.values()),
        *(source.task_final_status.producer_task for source in task.inputs.parameters.values()),
    ]
    return {*task.dependent_tasks, *filter(None, inputs)}


def executor_input(task: Task, component: proto.ComponentSpec, given: Given) -> proto.ExecutorInput:
    """What the container is told, in `{{$}}`."""
    filled = proto.ExecutorInput()
    filled.outputs.output_file = task.output_file
    declared = component.input_definitions.parameters
    for key, value in given.parameters.items():
        if is_old(declared[key]):
            filled.inputs.parameters[key].CopyFrom(old_value(value))
        else:
            filled.inputs.parameter_values[key].CopyFrom(new_value(value))
    for key, artifacts in given.artifacts.items():
        filled.inputs.artifacts[key].artifacts.extend(artifacts)
        if task.job.pipeline.target == "kfp":  # which hands inputs on without their types
            for artifact in filled.inputs.artifacts[key].artifacts:
                artifact.ClearField("type")
    for key, artifact in component.output_definitions.artifacts.items():
        filled.outputs.artifacts[key].artifacts.append(
            proto.RuntimeArtifact(
                name=artifact_name(f"{task.id}-{key}"),
                uri=f"{task.folder}/{key}",
                type=artifact.artifact_type,
                metadata=artifact.metadata,
            )
        )
    for key in component.output_definitions.parameters:
        filled.outputs.parameters[key].output_file = f"{task.folder}/{key}"
    return filled


def take_driver_output(told: proto.ExecutorInput, output: proto.ExecutorOutput) -> None:
    """Let the container see what the check before the cache wrote down."""
    for key, old in output.parameters.items():
        told.inputs.parameters[key].CopyFrom(old)
    for key, new in output.parameter_values.items():
        told.inputs.parameter_values[key].CopyFrom(new)
    _update_artifacts(told, output)


def made_by(told: proto.ExecutorInput, output: proto.ExecutorOutput) -> Given:
    """What the task gives to those after it: what it was to make, as it says it became."""
    _update_artifacts(told, output)
    parameters = {key: plain_value(value) for key, value in output.parameters.items()}
    parameters |= {key: plain_value(value) for key, value in output.parameter_values.items()}
    artifacts = {key: list(made.artifacts) for key, made in told.outputs.artifacts.items()}
    return Given(parameters, artifacts)


def outputs_of_dag(dag: proto.DagSpec, ended: Mapping[str, Ended]) -> Given:
    """What a group of tasks hands out as its own."""
    artifacts: dict[str, list[proto.RuntimeArtifact]] = {}
    for key, output in dag.outputs.artifacts.items():
        for selector in output.artifact_selectors:
            made = ended[selector.producer_subtask].made.artifacts
            artifacts.setdefault(key, []).extend(made.get(selector.output_artifact_key, []))
    parameters = {}
    for key, selected in dag.outputs.parameters.items():
        source = selected.value_from_parameter
        made_parameters = ended[source.producer_subtask].made.parameters
        if source.output_parameter_key in made_parameters:
            parameters[key] = made_parameters[source.output_parameter_key]
    return Given(parameters, artifacts)


def artifact_name(tail: str) -> str:
    """An artifact's full name in the service's metadata store."""
    return f"{LOCATION}/metadataStores/default/artifacts/{tail}"


def _update_artifacts(told: proto.ExecutorInput, output: proto.ExecutorOutput) -> None:
    for key, said in output.artifacts.items():
        if key not in told.outputs.artifacts:
            continue  # the service ignores what the component does not declare
        for artifact, update in zip(
            told.outputs.artifacts[key].artifacts, said.artifacts, strict=False
        ):
            artifact.uri = update.uri or artifact.uri
            artifact.metadata.update(json_format.MessageToDict(update.metadata))


def _parameter(
    name: str,
    key: str,
    source: proto.TaskInputsSpec.InputParameterSpec,
    outer: Given,
    ended: Mapping[str, Ended],
    job: Job,
) -> Any:
    kind = source.WhichOneof("kind")
    if kind == "runtime_value":
        return _constant(name, source.runtime_value, outer, job)
    if kind == "component_input_parameter":
        return _outer_parameter(name, source.component_input_parameter, outer)
    if kind == "task_output_parameter":
        reference = source.task_output_parameter
        made = ended[reference.producer_task].made.parameters
        if reference.output_parameter_key not in made:
            raise BadInputError(
                f"The task {name} takes {key} from {reference.producer_task}, which gave no "
                f"parameter {reference.output_parameter_key}."
            )
        return made[reference.output_parameter_key]
    if kind == "task_final_status":
        return final_status(source.task_final_status.producer_task, ended, job)
    raise BadInputError(f"The spec does not say where the task {name} gets its {key} from.")


def final_status(task: str, ended: Mapping[str, Ended], job: Job) -> dict[str, Any]:
    """What the service tells an exit handler of the tasks that it watches."""
    well = ended[task].state == "SUCCEEDED"
    status = proto.PipelineTaskFinalStatus(
        # Kubeflow takes the word of ML Metadata.
        state="COMPLETE" if well and job.pipeline.target == "kfp" else ended[task].state,
        pipeline_job_uuid=job.number,
        pipeline_job_name=job.id,
        pipeline_job_resource_name=job.resource_name,
        pipeline_task_name=task,
    )
    if ended[task].error:
        status.error.code = FINAL_STATUS_TASK_FAILED
        status.error.message = ended[task].error
    return json_format.MessageToDict(status)


def _constant(name: str, value: proto.ValueOrRuntimeParameter, outer: Given, job: Job) -> Any:
    kind = value.WhichOneof("value")
    if kind == "runtime_parameter":
        return _outer_parameter(name, value.runtime_parameter, outer)
    constant = plain_value(value.constant if kind == "constant" else value.constant_value)
    if not isinstance(constant, str):
        return constant
    around = proto.ExecutorInput()
    for key, parameter in outer.parameters.items():
        around.inputs.parameter_values[key].CopyFrom(new_value(parameter))
    return fill(constant, around, job.placeholders())


def _outer_parameter(name: str, key: str, outer: Given) -> Any:
    if key not in outer.parameters:
        raise BadInputError(
            f"The task {name} takes the runtime parameter {key}, which the pipeline does not "
            "declare; compile it again."
        )
    return outer.parameters[key]


def _as_declared(name: str, value: Any, declared: proto.ComponentInputsSpec.ParameterSpec) -> Any:
    wanted = type_name(declared)
    if wanted == "STRING" and isinstance(value, dict):  # a final status, taken as text
        return json.dumps(value)
    return of_type(name, value, wanted)


def _artifacts(
    name: str,
    key: str,
    source: proto.TaskInputsSpec.InputArtifactSpec,
    outer: Given,
    ended: Mapping[str, Ended],
) -> list[proto.RuntimeArtifact]:
    if source.WhichOneof("kind") == "component_input_artifact":
        return outer.artifacts.get(source.component_input_artifact, [])
    reference = source.task_output_artifact
    return ended[reference.producer_task].made.artifacts.get(reference.output_artifact_key, [])
