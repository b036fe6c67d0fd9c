"""Build a run's report again from what ML Metadata knows of it: `w2v report`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from components.release_gate.config import GateConfig
from components.release_gate.judgement import EVALUATION_KEY, REPORT_KEY, reach_verdict
from components.release_gate.report import write_report
from components.release_gate.verdict import Verdict
from pipeline.evaluation_settings import parse_bound
from pipeline.runs import find_run
from schemas.properties import from_json

GATE = "ReleaseGate"


def rebuild_report(
    metadata_file: Path,
    pipeline_name: str | None,
    run_id: str | None,
    to: Path,
    bounds: Sequence[str] = (),
) -> Verdict:
    """Judge the run's evaluation again and write the report to `to`; `bounds` replace its own."""
    run = find_run(metadata_file, pipeline_name, run_id)
    evaluation = run.input(GATE, "evaluation")
    assert evaluation is not None  # the gate cannot have run without
    gate = from_json(GateConfig, run.told(GATE, "gate"))
    if bounds:
        max_wer = dict(parse_bound(bound, "saved_model") for bound in bounds)
        gate = dataclasses.replace(gate, max_wer=max_wer)
    verdict = reach_verdict(
        run.told(GATE, "name"),
        evaluation.uri,
        gate,
        baseline=_said_of(run.input(GATE, "baseline_blessing"), EVALUATION_KEY),
        last_report=_said_of(run.input(GATE, "last_blessing"), REPORT_KEY) or "",
    )
    write_report(verdict, evaluation.uri, str(to))
    return verdict


def _said_of(blessing: metadata_store_pb2.Artifact | None, key: str) -> str | None:
    return None if blessing is None else blessing.custom_properties[key].string_value
