"""The report: the same verdict for eyes, for chats and for machines."""

import dataclasses

import pandas as pd
import pytest

from components.release_gate.report import (
    Verdict,
    align,
    read_verdict,
    worst_utterances,
    write_report,
)
from components.release_gate.rules import Finding
from components.wer_evaluator.predictions import Prediction
from components.wer_evaluator.scores import score_predictions


def prediction(utterance: str, reference: str, hypothesis: str, **counts) -> Prediction:
    return Prediction(
        artifact="saved_model",
        variant="unpadded",
        utterance=utterance,
        speaker="1",
        subset="test-clean",
        gender="F",
        audio_seconds=2.0,
        reference=reference,
        hypothesis=hypothesis,
        words=len(reference.split()),
        **counts,
    )


PREDICTIONS = pd.DataFrame(
    dataclasses.asdict(row)
    for row in (
        prediction("u1", "CALL ANNA", "CALL HANNAH", substitutions=1),
        prediction("u2", "STOP THE MUSIC", "THE MUSIC <b>", deletions=1, insertions=1),
        prediction("u3", "STOP", "STOP"),
    )
)
FINDINGS = [Finding("WER saved_model/unpadded", False, "50.00 % is over 5.00 % by 45.00 points")]


@pytest.fixture
def verdict() -> Verdict:
    return Verdict("tiny", FINDINGS, score_predictions(PREDICTIONS))


def test_one_failed_rule_refuses_and_none_blesses(verdict):
    assert not verdict.blessed and verdict.failures == FINDINGS
    assert dataclasses.replace(verdict, findings=[Finding("a", True, "")]).blessed


def test_every_form_says_what_was_decided_and_why(verdict, tmp_path):
    write_report(verdict, PREDICTIONS, str(tmp_path))
    for name in ("report.html", "report.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "Refused: tiny" in text
        assert "50.00 % is over 5.00 % by 45.00 points" in text
        assert "speaker:1" in text
    assert read_verdict(str(tmp_path)) == verdict


def test_the_page_needs_no_network_and_trusts_no_transcript(verdict, tmp_path):
    write_report(verdict, PREDICTIONS, str(tmp_path))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "http" not in page and "<script" not in page
    assert "&lt;b&gt;" in page and "<b>" not in page.replace("<b>WER", "")


def test_the_same_verdict_writes_the_same_bytes(verdict, tmp_path):
    write_report(verdict, PREDICTIONS, str(tmp_path / "one"))
    write_report(verdict, PREDICTIONS, str(tmp_path / "other"))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_the_worst_utterance_comes_first_and_a_right_one_not_at_all():
    mistakes = worst_utterances(PREDICTIONS, "saved_model/unpadded")
    assert [mistake.utterance for mistake in mistakes] == ["u2", "u1"]


def test_words_are_aligned():
    aligned = align("A B C", "A X C D")
    assert [(piece.kind, piece.reference, piece.hypothesis) for piece in aligned] == [
        ("equal", "A", "A"),
        ("substitute", "B", "X"),
        ("equal", "C", "C"),
        ("insert", "", "D"),
    ]
