"""Loads the trained model and exports it, probed with real utterances of the dev split."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils, path_utils

from models.audio import pcm16_to_float
from models.data import read_records
from models.export.artifacts import export_all, utterances_needed
from models.export.config import ExportConfig
from models.export.saved_model import ServingModule
from models.processor import Processor
from models.transform_graph import TransformGraph
from models.wav2vec2 import Wav2Vec2ForCTC
from schemas import model_properties, speech_example
from schemas.properties import from_json

Artifacts = dict[str, list[Artifact]]
# All that recognition needs of a speech example; a client has no transcript to send.
AUDIO_FEATURES = (speech_example.AUDIO,)


class Executor(base_executor.BaseExecutor):
    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        trained = path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict["model"]))
        graph = TransformGraph(artifact_utils.get_single_uri(input_dict["transform_graph"]))
        module = ServingModule(
            Wav2Vec2ForCTC.from_pretrained(trained),
            Processor.from_pretrained(trained),
            graph,
            AUDIO_FEATURES,
        )
        config = from_json(ExportConfig, exec_properties["export"])
        files = io_utils.all_files_pattern(
            artifact_utils.get_split_uri(input_dict["examples"], exec_properties["probe_split"])
        )
        output = artifact_utils.get_single_instance(output_dict["exported_model"])
        utterances = read_utterances(files, utterances_needed(config))
        artifacts = export_all(module, output.uri, config, utterances)
        for artifact in artifacts:
            output.set_int_custom_property(f"{artifact.name}_bytes", artifact.bytes)
        # What a later run needs to go on learning from here.
        output.set_string_custom_property(model_properties.TRAINED_MODEL, trained)
        output.set_string_custom_property(
            model_properties.FIRST_CHECKPOINT_SHA256, exec_properties["first_checkpoint_sha256"]
        )


def read_utterances(files: str, count: int) -> list[np.ndarray]:
    """The first utterances of a split, as waveforms."""
    records = read_records([files]).take(count)
    audio = {speech_example.AUDIO: tf.io.FixedLenFeature([], tf.string)}
    return [
        pcm16_to_float(tf.io.parse_single_example(record, audio)[speech_example.AUDIO].numpy())
        for record in records
    ]
