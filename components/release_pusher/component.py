"""ReleasePusher: publishes what the gate blessed, as one new version, or does nothing."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.release_pusher.config import RUNTIME_PARAMETERS, ReleaseConfig
from components.release_pusher.executor import Executor
from components.run_reporter.config import AlertsConfig
from schemas.properties import to_json


class ReleasePusherSpec(ComponentSpec):
    PARAMETERS = {
        "release": ExecutionParameter(type=str),
        "alerts": ExecutionParameter(type=str),
        "name": ExecutionParameter(type=str),
        "config_sha256": ExecutionParameter(type=str),
        "code_version": ExecutionParameter(type=str),
        RUNTIME_PARAMETERS: ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        # What training began from: it says which checkpoint that was.
        "base_model": ChannelParameter(type=standard_artifacts.Model),
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "report": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    OUTPUTS = {"pushed_model": ChannelParameter(type=standard_artifacts.PushedModel)}


class ReleasePusher(base_component.BaseComponent):
    """Gives a `PushedModel` whose `pushed_destination` is the release, where there is one."""

    SPEC_CLASS = ReleasePusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        base_model: types.BaseChannel,
        examples: types.BaseChannel,
        evaluation: types.BaseChannel,
        report: types.BaseChannel,
        blessing: types.BaseChannel,
        release: ReleaseConfig,
        alerts: AlertsConfig,
        name: str,
        config_sha256: str,
        code_version: str,
    ) -> None:
        super().__init__(
            ReleasePusherSpec(
                model=model,
                base_model=base_model,
                examples=examples,
                evaluation=evaluation,
                report=report,
                blessing=blessing,
                release=to_json(release),
                alerts=to_json(alerts),
                name=name,
                config_sha256=config_sha256,
                code_version=code_version,
                # On a cluster the container's entry point says what there is.
                runtime_parameters="{}",
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
