"""The last screen: WER beside its bound, the verdict with its reasons, the line to type next."""

import dataclasses
import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from components.release_gate.report import Verdict
from components.release_gate.rules import Finding
from components.wer_evaluator.predictions import Prediction
from components.wer_evaluator.scores import score_predictions
from pipeline.outcome import Outcome
from pipeline.summary import print_summary

PREDICTION = Prediction(
    artifact="saved_model",
    variant="constant_246000_unmasked",
    utterance="u1",
    speaker="1",
    subset="test-clean",
    gender="F",
    audio_seconds=2.0,
    reference="A B C D",
    hypothesis="A B C",
    deletions=1,
    words=4,
)


@pytest.fixture
def released() -> Outcome:
    scores = score_predictions(pd.DataFrame([dataclasses.asdict(PREDICTION)]))
    return Outcome(
        verdict=Verdict("demo", [Finding("WER", True, "within its bound")], scores),
        report="/runs/report.html",
        dev_wer_before=1.0125,
        dev_wer_after=0.02,
        release="/runs/releases/3",
        version="3",
        already_published=False,
    )


def shown(outcome: Outcome, bounds: dict[str, float]) -> str:
    screen = io.StringIO()
    console = Console(file=screen, width=80)
    print_summary(outcome, bounds, Path("/runs"), Path("/runs/run.log"), console)
    return screen.getvalue()


def test_a_release_is_told_with_its_figures_and_what_to_type_next(released):
    text = shown(released, {"constant_246000_unmasked": 0.3})
    assert "constant_246000_unmasked  25.00 %  30.00 %    1/1" in text
    assert "101.25 %" in text and "2.00 %" in text
    assert "demo was published as version 3" in text and "✓ WER: within its bound" in text
    assert "transcribe" in text.splitlines()[-1] and "releases/3" in text.splitlines()[-1]


def test_a_release_that_was_there_already_is_not_told_as_new(released):
    again = dataclasses.replace(released, already_published=True)
    assert "demo is already published as version 3" in shown(again, {})


def test_a_refusal_says_why_and_that_nothing_was_published(released):
    failed = [Finding("WER", False, "over its bound")]
    verdict = dataclasses.replace(released.verdict, findings=failed)
    text = shown(dataclasses.replace(released, verdict=verdict, release=None, version=None), {})
    assert "demo: nothing was published" in text and "✗ WER: over its bound" in text
    assert "report.html" in text.splitlines()[-1]


def test_the_table_fits_a_terminal_of_eighty_columns(released):
    rows = shown(released, {"constant_246000_unmasked": 0.3}).splitlines()
    assert not any("…" in row for row in rows)
