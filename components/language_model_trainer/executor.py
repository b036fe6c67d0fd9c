"""Counts the n-grams of a split's transcripts with Beam and writes the model that they make."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils

from components.language_model_trainer.config import LanguageModelConfig
from components.language_model_trainer.training import read_totals, train
from models.errors import BadInputError
from schemas.properties import from_json

Artifacts = dict[str, list[Artifact]]


class Executor(base_beam_executor.BaseBeamExecutor):
    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        config = from_json(LanguageModelConfig, exec_properties["language_model_config"])
        split = exec_properties["split"]
        examples = artifact_utils.get_split_uri(input_dict["examples"], split)
        output = artifact_utils.get_single_instance(output_dict["language_model"])
        fileio.makedirs(output.uri)
        with self._make_beam_pipeline() as pipeline:
            train(pipeline, io_utils.all_files_pattern(examples), config, output.uri)
        totals = read_totals(output.uri)
        if not totals.sentences:
            raise BadInputError(
                f"The {split} split has no transcript with a word to train a language model on; "
                "choose another split, or a normalisation that keeps its letters."
            )
        output.set_int_custom_property("order", config.order)
        output.set_int_custom_property("vocabulary_size", totals.words)
        output.set_int_custom_property("sentences", totals.sentences)
