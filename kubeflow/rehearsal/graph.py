"""The order of the tasks, and what of the spec could run nowhere: seen before anything is run."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from kfp.pipeline_spec import pipeline_spec_pb2 as proto

from kubeflow.rehearsal.spec import CompiledPipeline
from kubeflow.rehearsal.wiring import producers
from models.errors import BadInputError

CONTAINER, RESOLVER, IMPORTER = "container", "resolver", "importer"


def in_order(dag: proto.DagSpec) -> list[str]:
    """The tasks, each after those it waits for; the same order every time."""
    sorter = TopologicalSorter({name: producers(dag.tasks[name]) for name in sorted(dag.tasks)})
    try:
        return list(sorter.static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise BadInputError(f"The tasks wait for each other: {circle}.") from error


def check_graph(pipeline: CompiledPipeline, dag: proto.DagSpec) -> None:
    """Raise one sentence about the first task that could not be run."""
    for name, task in dag.tasks.items():
        if unknown := producers(task) - set(dag.tasks):
            raise BadInputError(
                f"The task {name} waits for {', '.join(sorted(unknown))}, which is not beside it; "
                "compile the pipeline again."
            )
        if task.WhichOneof("iterator"):
            raise BadInputError(f"The task {name} is a loop, which a rehearsal cannot run.")
        component = pipeline.component(task)
        if component.WhichOneof("implementation") == "dag":
            check_graph(pipeline, component.dag)
        else:
            _check_executor(name, pipeline.executor(component))
    in_order(dag)


def _check_executor(name: str, executor: proto.PipelineDeploymentConfig.ExecutorSpec) -> None:
    kind = executor.WhichOneof("spec")
    if kind not in (CONTAINER, RESOLVER, IMPORTER):
        raise BadInputError(f"The task {name} is of a kind ({kind}) that a rehearsal cannot run.")
    if kind == CONTAINER and not executor.container.command:
        raise BadInputError(
            f"The task {name} names no command, so the image's own entry point would run; compile "
            "it with the command that is meant."
        )
