"""ReleaseGate: scores in, a blessing or a refusal with its reasons out."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.release_gate.config import GateConfig
from components.release_gate.executor import Executor
from components.run_reporter.config import AlertsConfig
from schemas.properties import to_json


class ReleaseGateSpec(ComponentSpec):
    PARAMETERS = {
        "gate": ExecutionParameter(type=str),
        "alerts": ExecutionParameter(type=str),
        "name": ExecutionParameter(type=str),
    }
    INPUTS = {
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "model": ChannelParameter(type=standard_artifacts.Model),
        # Nothing has been blessed before the first run.
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
        "baseline_blessing": ChannelParameter(type=standard_artifacts.ModelBlessing, optional=True),
        # Of the run before, whatever it decided: the trend goes on from its report.
        "last_blessing": ChannelParameter(type=standard_artifacts.ModelBlessing, optional=True),
    }
    OUTPUTS = {
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "report": ChannelParameter(type=standard_artifacts.ModelEvaluation),
    }


class ReleaseGate(base_component.BaseComponent):
    """A node of its own: a new bound or a new baseline never runs a model again.

    Refusing is no failure of the node; what comes after it reads the blessing.
    """

    SPEC_CLASS = ReleaseGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        evaluation: types.BaseChannel,
        model: types.BaseChannel,
        baseline_model: types.BaseChannel,
        baseline_blessing: types.BaseChannel,
        last_blessing: types.BaseChannel,
        gate: GateConfig,
        alerts: AlertsConfig,
        name: str,
    ) -> None:
        super().__init__(
            ReleaseGateSpec(
                evaluation=evaluation,
                model=model,
                baseline_model=baseline_model,
                baseline_blessing=baseline_blessing,
                last_blessing=last_blessing,
                gate=to_json(gate),
                alerts=to_json(alerts),
                name=name,
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
                report=types.Channel(type=standard_artifacts.ModelEvaluation),
            )
        )
