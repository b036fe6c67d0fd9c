"""CheckpointImporter: a PyTorch checkpoint in, a TensorFlow model in Hugging Face layout out."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.checkpoint_importer.executor import Executor


class CheckpointImporterSpec(ComponentSpec):
    PARAMETERS = {
        "checkpoint": ExecutionParameter(type=str),
        # Part of the cache key: the same path with other weights is another import.
        "checkpoint_sha256": ExecutionParameter(type=str),
        # Where the alphabet comes from: a learned one may grow, another must be the checkpoint's.
        "vocabulary": ExecutionParameter(type=str),
    }
    INPUTS = {
        # Nothing has been blessed before the first run.
        "last_blessed": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {"model": ChannelParameter(type=standard_artifacts.Model)}


class CheckpointImporter(base_component.BaseComponent):
    """Gives a `Model` that the Trainer takes as its base model.

    With `last_blessed` it is the trained model behind that one, as soon as there is one.
    """

    SPEC_CLASS = CheckpointImporterSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        checkpoint: str,
        checkpoint_sha256: str,
        vocabulary: str,
        last_blessed: types.BaseChannel | None = None,
    ) -> None:
        super().__init__(
            CheckpointImporterSpec(
                checkpoint=checkpoint,
                checkpoint_sha256=checkpoint_sha256,
                vocabulary=vocabulary,
                last_blessed=last_blessed,
                model=types.Channel(type=standard_artifacts.Model),
            )
        )
