"""ModelExporter: a trained model in, what ships out (SavedModel, TFLite, …), each checked."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.model_exporter.executor import Executor
from models.export.config import ExportConfig
from schemas.properties import to_json


class ModelExporterSpec(ComponentSpec):
    PARAMETERS = {
        "export": ExecutionParameter(type=str),
        "probe_split": ExecutionParameter(type=str),
        # Of the run's model.checkpoint: what goes on from this model must still begin there.
        "first_checkpoint_sha256": ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "transform_graph": ChannelParameter(type=standard_artifacts.TransformGraph),
        "examples": ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {"exported_model": ChannelParameter(type=standard_artifacts.Model)}


class ModelExporter(base_component.BaseComponent):
    """Gives a `Model` whose `Format-Serving` folder stock TFX parts can serve and push."""

    SPEC_CLASS = ModelExporterSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        transform_graph: types.BaseChannel,
        examples: types.BaseChannel,
        export: ExportConfig,
        probe_split: str,
        first_checkpoint_sha256: str,
    ) -> None:
        super().__init__(
            ModelExporterSpec(
                model=model,
                transform_graph=transform_graph,
                examples=examples,
                export=to_json(export),
                probe_split=probe_split,
                first_checkpoint_sha256=first_checkpoint_sha256,
                exported_model=types.Channel(type=standard_artifacts.Model),
            )
        )
