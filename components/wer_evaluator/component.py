"""WerEvaluator: exported artifacts and a split in, predictions and scores out."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.wer_evaluator.config import EvaluationConfig
from components.wer_evaluator.executor import Executor
from schemas.properties import to_json


class WerEvaluatorSpec(ComponentSpec):
    PARAMETERS = {"evaluation_config": ExecutionParameter(type=str)}
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "language_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {"evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation)}


class WerEvaluator(base_beam_component.BaseBeamComponent):
    """Gives a `ModelEvaluation`. It passes no judgement: that is the ReleaseGate's."""

    SPEC_CLASS = WerEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        evaluation: EvaluationConfig,
        language_model: types.BaseChannel | None = None,
    ) -> None:
        super().__init__(
            WerEvaluatorSpec(
                examples=examples,
                model=model,
                language_model=language_model,
                evaluation_config=to_json(evaluation),
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
            )
        )
