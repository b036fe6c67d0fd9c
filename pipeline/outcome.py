"""What came of a run, read from ML Metadata: verdict, word error rates, what was published."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.release_gate.report import HTML_FILE, read_verdict
from components.release_gate.verdict import Verdict
from components.wer_evaluator.scores import whole
from models import filesystem
from models.errors import GateRefusedError
from pipeline.ingest import IngestOutcome, read_examples
from pipeline.runs import find_run


@dataclass(frozen=True)
class Outcome:
    """The end of a run, for people and for machines."""

    corpus: IngestOutcome
    verdict: Verdict
    report: str
    dev_wer_before: float
    dev_wer_after: float
    release: str | None  # the folder of the published version
    version: str | None
    already_published: bool
    # The address of the release at each destination, by the destination's name.
    delivered: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return 0 if self.verdict.blessed else GateRefusedError.exit_code

    def as_json(self) -> dict[str, Any]:
        """What `w2v run --json` prints."""
        return {
            "corpus": self.corpus.as_json(),
            "blessed": self.verdict.blessed,
            "findings": [dataclasses.asdict(finding) for finding in self.verdict.findings],
            "wer": {score.trial: score.wer for score in whole(self.verdict.scores)},
            "dev_wer": {"before": self.dev_wer_before, "after": self.dev_wer_after},
            "release": self.release,
            "version": self.version,
            "already_published": self.already_published,
            "delivered": self.delivered,
            "report": self.report,
        }


def read_outcome(metadata_file: Path, pipeline_name: str) -> Outcome:
    """The outcome of the latest run of a pipeline."""
    run = find_run(metadata_file, pipeline_name)
    report = run.output("ReleaseGate", "report").uri
    pushed = run.output("ReleasePusher", "pushed_model").custom_properties
    history = run.training_figures()
    assert history is not None  # the run has just written them, or found them in the cache
    return Outcome(
        corpus=read_examples(run),
        verdict=read_verdict(report),
        report=filesystem.join(report, HTML_FILE),
        dev_wer_before=history["initial_wer"],
        dev_wer_after=history["best"]["wer"],
        release=pushed["pushed_destination"].string_value or None,
        version=pushed["pushed_version"].string_value or None,
        already_published=bool(pushed["already"].int_value),
        delivered=json.loads(pushed["delivered"].string_value or "{}"),
    )
