"""A compiled file, read: Vertex AI's PipelineJob as JSON, or Kubeflow's bare spec as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as proto

from kubeflow.compiled_file import Target, read_documents
from kubeflow.rehearsal.values import plain_value
from models.errors import BadInputError

# Where open-source Kubeflow puts artifacts if the spec names no root.
KFP_ROOT = "minio://mlpipeline/v2/artifacts"


@dataclass(frozen=True)
class CompiledPipeline:
    """What the service is handed."""

    name: str
    target: Target
    spec: proto.PipelineSpec
    executors: Mapping[str, proto.PipelineDeploymentConfig.ExecutorSpec]
    root: str  # where the artifacts go
    # What the file itself gives to the runtime parameters.
    parameters: Mapping[str, Any]

    def component(self, task: proto.PipelineTaskSpec) -> proto.ComponentSpec:
        """What the task runs."""
        name = task.component_ref.name
        if name not in self.spec.components:
            raise BadInputError(
                f"The task {task.task_info.name} runs the component {name}, which the compiled "
                "file does not hold; compile it again."
            )
        return self.spec.components[name]

    def executor(
        self, component: proto.ComponentSpec
    ) -> proto.PipelineDeploymentConfig.ExecutorSpec:
        """How the component runs."""
        if component.executor_label not in self.executors:
            raise BadInputError(
                f"The compiled file does not say how to run {component.executor_label!r}; compile "
                "it again."
            )
        return self.executors[component.executor_label]


def read_compiled(path: Path) -> CompiledPipeline:
    """Read what `w2v compile` wrote, for either target."""
    target, (first, *_) = read_documents(path)
    if target == "vertex":
        return _compiled(path, first["pipelineSpec"], target, first.get("runtimeConfig", {}))
    return _compiled(path, first, target, {})


def _compiled(
    path: Path, fields: dict[str, Any], target: Target, config: dict[str, Any]
) -> CompiledPipeline:
    try:
        spec = json_format.ParseDict(fields, proto.PipelineSpec())
        deployment = json_format.ParseDict(
            json_format.MessageToDict(spec.deployment_spec), proto.PipelineDeploymentConfig()
        )
        runtime = json_format.ParseDict(config, proto.PipelineJob.RuntimeConfig())
    except json_format.ParseError as error:
        raise BadInputError(f"{path} is no pipeline spec: {error}") from error
    given = {name: plain_value(value) for name, value in runtime.parameters.items()}
    given |= {name: plain_value(value) for name, value in runtime.parameter_values.items()}
    return CompiledPipeline(
        name=spec.pipeline_info.name,
        target=target,
        spec=spec,
        executors=dict(deployment.executors),
        root=runtime.gcs_output_directory or spec.default_pipeline_root or KFP_ROOT,
        parameters=given,
    )
