"""Reads the checkpoint, proves that every tensor has its place, and writes it as our Model."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import path_utils

from models.processor import Processor
from models.wav2vec2 import Wav2Vec2ForCTC

Artifacts = dict[str, list[Artifact]]


class Executor(base_executor.BaseExecutor):
    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        checkpoint = exec_properties["checkpoint"]
        output = artifact_utils.get_single_instance(output_dict["model"])
        folder = path_utils.serving_model_dir(output.uri)
        model = Wav2Vec2ForCTC.from_pretrained(checkpoint)
        model.save_pretrained(folder)
        Processor.from_pretrained(checkpoint).save_pretrained(folder)
        output.set_string_custom_property(
            "checkpoint_sha256", exec_properties["checkpoint_sha256"]
        )
        output.set_int_custom_property("parameters", model.count_params())
