"""Tasks that the service does by itself: asking its metadata, and taking in what lies somewhere."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format, struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2 as proto

from kubeflow.rehearsal.history import History
from kubeflow.rehearsal.job import Task
from kubeflow.rehearsal.placeholders import fill
from kubeflow.rehearsal.values import plain_value
from kubeflow.rehearsal.wiring import Given, artifact_name
from models.errors import BadInputError


def resolve_artifacts(
    resolver: proto.PipelineDeploymentConfig.ResolverSpec, given: Given, history: History
) -> Given:
    """The newest artifact for each query; none for a query that finds nothing."""
    found = {}
    for key, query in resolver.output_artifact_queries.items():
        artifact = _ask(query.filter, given, history)
        if artifact is not None:
            found[key] = [artifact]
    return Given(artifacts=found)


def _ask(query: str, given: Given, history: History) -> proto.RuntimeArtifact | None:
    told = proto.ExecutorInput()
    for key, artifacts in given.artifacts.items():
        told.inputs.artifacts[key].artifacts.extend(artifacts)
    if "{{$.inputs.artifacts[" in query and not given.artifacts:
        return None  # it asks for the fellow of something that is not there yet
    return history.latest(fill(query, told, {}))


def import_artifact(
    task: Task,
    importer: proto.PipelineDeploymentConfig.ImporterSpec,
    component: proto.ComponentSpec,
    given: Given,
) -> Given:
    """The artifact that lies at the importer's address."""
    (key,) = component.output_definitions.artifacts
    artifact = proto.RuntimeArtifact(
        name=artifact_name(f"{task.id}-{key}"),
        uri=_address(task.name, importer.artifact_uri, given),
        type=importer.type_schema,
    )
    metadata: dict[str, Any] = json_format.MessageToDict(importer.metadata)
    artifact.metadata.CopyFrom(json_format.ParseDict(metadata, struct_pb2.Struct()))
    return Given(artifacts={key: [artifact]})


def _address(name: str, address: proto.ValueOrRuntimeParameter, given: Given) -> str:
    kind = address.WhichOneof("value")
    if kind != "runtime_parameter":
        return plain_value(address.constant if kind == "constant" else address.constant_value)
    if address.runtime_parameter not in given.parameters:
        raise BadInputError(
            f"The importer {name} takes its address from the parameter {address.runtime_parameter},"
            " which it is not given; compile the pipeline again."
        )
    return given.parameters[address.runtime_parameter]
