"""Holds the scores against the gate's rules, writes the report and the stock blessing."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils

from components.release_gate.blessing import EVALUATION_KEY, bless
from components.release_gate.config import GateConfig
from components.release_gate.report import Verdict, write_report
from components.release_gate.rules import Baseline, judge
from components.wer_evaluator.predictions import read_predictions
from components.wer_evaluator.scores import read_scores
from schemas.properties import from_json

Artifacts = dict[str, list[Artifact]]


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
        bless(blessing, verdict.blessed, model, evaluation)


def _baseline(input_dict: Artifacts) -> Baseline | None:
    blessings = input_dict.get("baseline_blessing") or []
    evaluation = blessings[0].get_string_custom_property(EVALUATION_KEY) if blessings else ""
    if not evaluation:
        return None
    return Baseline("the last blessed model", read_predictions(evaluation))
