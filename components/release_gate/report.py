"""The page a speech scientist reads before a release: HTML, Markdown and JSON of one verdict."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import jiwer

from components.release_gate.rules import Finding
from components.wer_evaluator.predictions import scored_by
from components.wer_evaluator.scores import Score, or_none, percent, score_of, whole
from models import filesystem

if TYPE_CHECKING:
    import pandas as pd

HTML_FILE, MARKDOWN_FILE, JSON_FILE = "report.html", "report.md", "report.json"
TEMPLATES = Path(__file__).parent / "templates"
WORST_UTTERANCES = 12


@dataclass(frozen=True)
class Verdict:
    """What the gate decided and why, beside what it looked at."""

    model: str
    findings: list[Finding]
    scores: list[Score]

    @property
    def blessed(self) -> bool:
        return all(finding.passed for finding in self.findings)

    @property
    def failures(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.passed]


@dataclass(frozen=True)
class DiffPiece:
    """A stretch of aligned words; `kind` is equal, substitute, insert or delete."""

    kind: str
    reference: str
    hypothesis: str


@dataclass(frozen=True)
class Mistake:
    """An utterance that one trial got wrong, word against word."""

    utterance: str
    speaker: str
    errors: int
    pieces: list[DiffPiece]


def write_report(verdict: Verdict, predictions: pd.DataFrame, folder: str) -> None:
    """Write the verdict as `report.html`, `report.md` and `report.json`."""
    main_trial = _main_trial(verdict.scores)
    page = {
        "verdict": verdict,
        "trials": whole(verdict.scores),
        "slices": _slices_by_damage(verdict.scores, main_trial),
        "main_trial": main_trial,
        "mistakes": list(worst_utterances(predictions, main_trial)),
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=lambda name: (name or "").startswith(HTML_FILE),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["percent"] = percent
    for name in (HTML_FILE, MARKDOWN_FILE):
        text = environment.get_template(f"{name}.jinja").render(page)
        filesystem.write_text(filesystem.join(folder, name), text)
    filesystem.write_text(filesystem.join(folder, JSON_FILE), _as_json(verdict))


def read_verdict(folder: str) -> Verdict:
    """The verdict back from `report.json`."""
    content = json.loads(filesystem.read_text(filesystem.join(folder, JSON_FILE)))
    return Verdict(
        model=content["model"],
        findings=[Finding(**finding) for finding in content["findings"]],
        scores=[score_of(row) for row in content["scores"]],
    )


def worst_utterances(predictions: pd.DataFrame, trial: str) -> Iterator[Mistake]:
    """The utterances with most errors, as aligned words."""
    rows = scored_by(predictions, trial)
    wrong = rows[rows.errors > 0].sort_values(["errors", "utterance"], ascending=[False, True])
    for row in wrong.head(WORST_UTTERANCES).itertuples():
        yield Mistake(row.utterance, row.speaker, row.errors, align(row.reference, row.hypothesis))


def align(reference: str, hypothesis: str) -> list[DiffPiece]:
    """Both texts cut into aligned pieces."""
    output = jiwer.process_words(reference, hypothesis)
    words, heard = output.references[0], output.hypotheses[0]
    return [
        DiffPiece(
            chunk.type,
            " ".join(words[chunk.ref_start_idx : chunk.ref_end_idx]),
            " ".join(heard[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in output.alignments[0]
    ]


def _main_trial(scores: list[Score]) -> str:
    trials = [score.trial for score in whole(scores)]
    return "saved_model/unpadded" if "saved_model/unpadded" in trials else trials[0]


def _slices_by_damage(scores: list[Score], trial: str) -> list[Score]:
    """The slices of a trial, those with most errors first."""
    slices = [score for score in scores if score.slice and score.trial == trial]
    return sorted(
        slices,
        key=lambda score: (-score.word_errors.errors, score.slice),
    )


def _as_json(verdict: Verdict) -> str:
    content = {
        "blessed": verdict.blessed,
        "model": verdict.model,
        "findings": [dataclasses.asdict(finding) for finding in verdict.findings],
        "scores": [
            dataclasses.asdict(score) | {"wer": or_none(score.wer), "cer": or_none(score.cer)}
            for score in verdict.scores
        ],
    }
    return json.dumps(content, indent=1, allow_nan=False)
