"""Holds the scores against the gate's rules, writes the report and the stock blessing."""

from __future__ import annotations

from typing import Any

from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils

from components.release_gate.config import GateConfig
from components.release_gate.report import Verdict, write_report
from components.release_gate.rules import Baseline, judge
from components.wer_evaluator.predictions import read_predictions
from components.wer_evaluator.scores import read_scores
from models import filesystem
from schemas.properties import from_json

Artifacts = dict[str, list[Artifact]]
# Where the next run finds what this model was judged on.
EVALUATION_KEY = "evaluation"


class Executor(base_executor.BaseExecutor):
    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        evaluation = artifact_utils.get_single_uri(input_dict["evaluation"])
        predictions, scores = read_predictions(evaluation), read_scores(evaluation)
        config = from_json(GateConfig, exec_properties["gate"])
        verdict = Verdict(
            model=exec_properties["name"],
            findings=judge(scores, predictions, _baseline(input_dict), config),
            scores=scores,
        )
        report = artifact_utils.get_single_instance(output_dict["report"])
        write_report(verdict, predictions, report.uri)
        model = artifact_utils.get_single_instance(input_dict["model"])
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        _bless(blessing, verdict.blessed, model, evaluation)


def _baseline(input_dict: Artifacts) -> Baseline | None:
    blessings = input_dict.get("baseline_blessing") or []
    evaluation = blessings[0].get_string_custom_property(EVALUATION_KEY) if blessings else ""
    if not evaluation:
        return None
    return Baseline("the last blessed model", read_predictions(evaluation))


def _bless(blessing: Artifact, blessed: bool, model: Artifact, evaluation: str) -> None:
    """As the stock Evaluator does it, so that stock resolvers and pushers understand."""
    fileio.makedirs(blessing.uri)
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    filesystem.write_text(filesystem.join(blessing.uri, name), "")
    value = constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_string_custom_property(EVALUATION_KEY, evaluation)
