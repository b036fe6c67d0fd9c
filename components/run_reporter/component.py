"""RunReporter: what runs when a pipeline has ended on a cluster, however it ended."""

from __future__ import annotations

from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.kubeflow.decorators import FinalStatusStr
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.run_reporter.config import AlertsConfig
from components.run_reporter.executor import Executor
from schemas.properties import to_json


class RunReporterSpec(ComponentSpec):
    PARAMETERS = {
        "name": ExecutionParameter(type=str),
        "alerts": ExecutionParameter(type=str),
        "root": ExecutionParameter(type=str),
        "final_status": ExecutionParameter(type=str),
    }
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS: dict[str, ChannelParameter] = {}


class RunReporter(base_component.BaseComponent):
    """The exit handler: `KubeflowV2DagRunner.set_exit_handler` takes it as it is.

    It tells of failures alone. A refusal is told by the gate and a release by the pusher, which
    know what they did; here only the state of the whole run is known.
    """

    SPEC_CLASS = RunReporterSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self, name: str, alerts: AlertsConfig, root: str, final_status: str | None = None
    ) -> None:
        """`final_status` is filled in by the cluster unless it is given."""
        super().__init__(
            RunReporterSpec(
                name=name,
                alerts=to_json(alerts),
                root=root,
                final_status=FinalStatusStr() if final_status is None else final_status,
            )
        )
