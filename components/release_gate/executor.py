"""Holds the scores against the gate's rules, writes the report and the stock blessing."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils

from components.release_gate.blessing import bless
from components.release_gate.config import GateConfig
from components.release_gate.judgement import EVALUATION_KEY, REPORT_KEY, reach_verdict
from components.release_gate.report import HTML_FILE, write_report
from components.run_reporter.alert import refusal
from components.run_reporter.config import AlertsConfig
from components.run_reporter.links import file_page
from components.run_reporter.webhook import tell
from models import filesystem
from schemas.properties import from_json

Artifacts = dict[str, list[Artifact]]


class Executor(base_executor.BaseExecutor):
    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        evaluation = artifact_utils.get_single_instance(input_dict["evaluation"])
        name = exec_properties["name"]
        verdict = reach_verdict(
            name,
            evaluation.uri,
            from_json(GateConfig, exec_properties["gate"]),
            baseline=said_of(input_dict.get("baseline_blessing"), EVALUATION_KEY),
            last_report=said_of(input_dict.get("last_blessing"), REPORT_KEY) or "",
        )
        report = artifact_utils.get_single_instance(output_dict["report"])
        write_report(verdict, evaluation.uri, report.uri)
        for finding in verdict.findings:
            report.set_string_custom_property(f"finding/{finding.rule}", finding.reason)
            report.set_int_custom_property(f"passed/{finding.rule}", int(finding.passed))
        model = artifact_utils.get_single_instance(input_dict["model"])
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        bless(blessing, verdict.blessed, model, evaluation.uri, report.uri)
        if not verdict.blessed:
            page = file_page(filesystem.join(report.uri, HTML_FILE))
            alerts = from_json(AlertsConfig, exec_properties["alerts"])
            tell(alerts, refusal(name, verdict.findings, page))


def said_of(blessings: list[Artifact] | None, key: str) -> str | None:
    """What a blessing says under a key; None where there is no blessing yet."""
    return blessings[0].get_string_custom_property(key) if blessings else None
