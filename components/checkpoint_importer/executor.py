"""Reads the checkpoint, proves that every tensor has its place, and writes it as our Model."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import path_utils

from models.processor import copy_processor_files
from models.wav2vec2 import Wav2Vec2ForCTC
from models.wav2vec2.checkpoint import open_checkpoint

Artifacts = dict[str, list[Artifact]]
HEAD = "lm_head.weight"


class Executor(base_executor.BaseExecutor):
    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        checkpoint = exec_properties["checkpoint"]
        output = artifact_utils.get_single_instance(output_dict["model"])
        folder = path_utils.serving_model_dir(output.uri)
        # A checkpoint that was only pretrained has no head yet; fine-tuning starts a new one.
        has_head = HEAD in open_checkpoint(checkpoint).tensors
        model = Wav2Vec2ForCTC.from_pretrained(checkpoint, new_head=not has_head)
        model.save_pretrained(folder)
        copy_processor_files(checkpoint, folder)
        output.set_string_custom_property("checkpoint_sha256", exec_properties["checkpoint_sha256"])
        output.set_int_custom_property("parameters", model.count_params())
