"""Reads the checkpoint, proves that every tensor has its place, and writes it as our Model."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import path_utils

from models.wav2vec2 import Wav2Vec2ForCTC
from models.wav2vec2.assignment import CTC_HEAD
from models.wav2vec2.checkpoint import save_processor
from models.wav2vec2.checkpoint_files import open_checkpoint

Artifacts = dict[str, list[Artifact]]
# The same checkpoint is always imported to the same bytes, its new head too.
HEAD_SEED = 0


class Executor(base_executor.BaseExecutor):
    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        checkpoint = open_checkpoint(exec_properties["checkpoint"])
        output = artifact_utils.get_single_instance(output_dict["model"])
        folder = path_utils.serving_model_dir(output.uri)
        # A checkpoint that was only pretrained has no head yet; fine-tuning starts a new one.
        new_head = not checkpoint.holds(CTC_HEAD)
        model = Wav2Vec2ForCTC.from_pretrained(checkpoint.path, new_head=new_head, seed=HEAD_SEED)
        model.save_pretrained(folder)
        save_processor(checkpoint, folder)
        output.set_string_custom_property("checkpoint_sha256", exec_properties["checkpoint_sha256"])
        output.set_int_custom_property("parameters", model.count_params())
