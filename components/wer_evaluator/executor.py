"""Runs every exported artifact over the split, in its own runtime, and scores what it heard."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils

from components.wer_evaluator.config import EvaluationConfig
from components.wer_evaluator.padding import STATIC_VARIANT
from components.wer_evaluator.predict import Trial, predict
from components.wer_evaluator.predictions import PREDICTIONS_FILE, read_predictions
from components.wer_evaluator.scores import score_predictions, whole, write_scores
from models import filesystem
from models.export.artifacts import read_index
from schemas.properties import from_json

Artifacts = dict[str, list[Artifact]]


class Executor(base_beam_executor.BaseBeamExecutor):
    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        config = from_json(EvaluationConfig, exec_properties["evaluation_config"])
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        records = io_utils.all_files_pattern(artifact_utils.get_split_uri([examples], config.split))
        utterances = examples.get_int_custom_property(f"{config.split}_utterances")
        exported = artifact_utils.get_single_uri(input_dict["model"])
        evaluation = artifact_utils.get_single_instance(output_dict["evaluation"])
        fileio.makedirs(evaluation.uri)
        with self._make_beam_pipeline() as pipeline:
            predict(
                pipeline,
                records,
                plan_trials(exported, config, utterances),
                filesystem.join(evaluation.uri, PREDICTIONS_FILE),
            )
        scores = score_predictions(read_predictions(evaluation.uri))
        write_scores(scores, evaluation.uri)
        for score in whole(scores):
            evaluation.set_float_custom_property(f"wer/{score.trial}", score.wer)


def plan_trials(exported: str, config: EvaluationConfig, utterances: int) -> list[Trial]:
    """The SavedModel under every variant, each TFLite file at its own lengths."""
    return [
        Trial(
            artifact=artifact.name,
            path=filesystem.join(exported, artifact.path),
            variants=(STATIC_VARIANT,) if artifact.format == "tflite" else config.variants,
            normalisation=config.normalisation,
            batch_seconds=config.batch_seconds,
            utterances=utterances,
        )
        for artifact in read_index(exported)
    ]
