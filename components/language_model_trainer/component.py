"""LanguageModelTrainer: the transcripts of a split in, an n-gram language model out."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.language_model_trainer.config import LanguageModelConfig
from components.language_model_trainer.executor import Executor
from schemas.properties import to_json


class LanguageModelTrainerSpec(ComponentSpec):
    PARAMETERS = {
        "language_model_config": ExecutionParameter(type=str),
        "split": ExecutionParameter(type=str),
    }
    INPUTS = {"examples": ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {"language_model": ChannelParameter(type=standard_artifacts.Model)}


class LanguageModelTrainer(base_beam_component.BaseBeamComponent):
    """Gives a `Model` that holds an ARPA file, which a beam search reads."""

    SPEC_CLASS = LanguageModelTrainerSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self, examples: types.BaseChannel, config: LanguageModelConfig, split: str = "train"
    ) -> None:
        super().__init__(
            LanguageModelTrainerSpec(
                examples=examples,
                language_model_config=to_json(config),
                split=split,
                language_model=types.Channel(type=standard_artifacts.Model),
            )
        )
