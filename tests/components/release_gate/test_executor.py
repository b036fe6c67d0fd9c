"""The gate as a node: a stock blessing, a report, and what the next run finds of this one."""

import dataclasses

import pytest
from tfx.components.util import model_utils
from tfx.types import standard_artifacts

from components.release_gate.blessing import bless
from components.release_gate.config import GateConfig
from components.release_gate.executor import Executor
from components.release_gate.judgement import EVALUATION_KEY, REPORT_KEY, reach_verdict
from components.release_gate.report import read_verdict
from components.run_reporter.config import AlertsConfig
from components.wer_evaluator.evaluation import write_about
from components.wer_evaluator.scores import write_scores
from schemas.properties import to_json
from tests.components.release_gate.evaluations import ABOUT, heard, scores_of, write_evaluation
from tests.components.release_pusher.destinations.loopback import serving
from tests.components.run_reporter.webhook_server import Webhook

GATE = GateConfig(max_wer={"unpadded": 0.1}, min_utterances=10, tolerated_regression=0.0)
NO_WEBHOOK = AlertsConfig()


def utterances(wrong: int, count: int = 100) -> list:
    """So many utterances of ten words, the first ones with an error each."""
    said = "ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE TEN"
    return [
        heard(f"u{index:03d}", said, said.replace("TEN", "PEN") if index < wrong else said)
        for index in range(count)
    ]


def artifact(artifact_type, folder):
    made = artifact_type()
    made.uri = str(folder)
    return made


def evaluated(folder, wrong: int, when: str):
    """The evaluation of a model that gets so many of a hundred utterances wrong."""
    predictions = utterances(wrong)
    write_evaluation(folder, predictions)
    write_scores(scores_of(predictions), str(folder))
    write_about(dataclasses.replace(ABOUT, evaluated=when), str(folder))
    return artifact(standard_artifacts.ModelEvaluation, folder)


def run_gate(folder, evaluation, baseline=None, last=None, alerts=NO_WEBHOOK, gate=GATE):
    """The node's blessing and report."""
    blessing = artifact(standard_artifacts.ModelBlessing, folder / "blessing")
    report = artifact(standard_artifacts.ModelEvaluation, folder / "report")
    inputs = {
        "evaluation": [evaluation],
        "model": [artifact(standard_artifacts.Model, folder / "model")],
        "baseline_blessing": [baseline] if baseline else [],
        "last_blessing": [last] if last else [],
    }
    properties = {"gate": to_json(gate), "alerts": to_json(alerts), "name": "demo"}
    Executor().Do(inputs, {"blessing": [blessing], "report": [report]}, properties)
    return blessing, report


@pytest.fixture
def first(tmp_path):
    return run_gate(tmp_path / "1", evaluated(tmp_path / "e1", wrong=5, when="2026-11-01"))


def test_a_model_within_its_bounds_gets_the_stock_blessing(first):
    blessing, report = first
    assert model_utils.is_model_blessed(blessing)
    assert report.get_string_custom_property("finding/WER saved_model/unpadded") == (
        "0.50 % is within 10.00 %"
    )
    assert report.get_int_custom_property("passed/WER saved_model/unpadded") == 1


def test_a_clearly_worse_model_is_not_blessed_and_says_why(first, tmp_path):
    evaluation = evaluated(tmp_path / "e2", wrong=60, when="2026-11-02")
    blessing, report = run_gate(tmp_path / "2", evaluation, baseline=first[0], last=first[0])
    assert not model_utils.is_model_blessed(blessing)
    failed = [finding for finding in read_verdict(report.uri).findings if not finding.passed]
    assert [finding.rule for finding in failed] == ["no regression saved_model/unpadded"]
    assert "worse than the last blessed model" in failed[0].reason
    assert (tmp_path / "2" / "blessing" / "NOT_BLESSED").exists()


def test_a_refusal_is_told_to_the_webhook_and_a_blessing_is_not(tmp_path, monkeypatch):
    alerts = AlertsConfig(webhook="env:W2V_WEBHOOK")
    with serving(Webhook()) as webhook:
        monkeypatch.setenv("W2V_WEBHOOK", webhook.address)
        good = evaluated(tmp_path / "good", wrong=5, when="2026-11-01")
        run_gate(tmp_path / "1", good, alerts=alerts)
        assert webhook.messages == []
        bad = evaluated(tmp_path / "bad", wrong=100, when="2026-11-02")
        strict = dataclasses.replace(GATE, max_wer={"unpadded": 0.05})
        _, report = run_gate(tmp_path / "2", bad, alerts=alerts, gate=strict)
    (message,) = webhook.messages
    assert "demo was refused by its gate: WER saved_model/unpadded: 10.00 %" in message["text"]
    assert f"{report.uri}/report.html" in message["blocks"][-1]["text"]["text"]


def test_another_kind_of_artifact_is_compared_by_its_main_trial(tmp_path):
    evaluated(tmp_path / "old", wrong=5, when="2026-11-01")
    predictions = [
        dataclasses.replace(one, artifact="onnx_int8", variant="bucketed") for one in utterances(60)
    ]
    write_evaluation(tmp_path / "new", predictions)
    write_scores(scores_of(predictions), str(tmp_path / "new"))
    gate = dataclasses.replace(
        GATE, max_wer={"onnx_int8/bucketed": 1.0}, regression_trials=("onnx_int8/bucketed",)
    )
    verdict = reach_verdict("model", str(tmp_path / "new"), gate, str(tmp_path / "old"), "old")
    failed = [finding for finding in verdict.findings if not finding.passed]
    assert [finding.rule for finding in failed] == ["no regression onnx_int8/bucketed"]
    assert "worse than old (saved_model/unpadded) on 100 utterances" in failed[0].reason


def test_the_trend_goes_on_from_report_to_report_refused_ones_too(first, tmp_path):
    last = first[0]
    for day, wrong in (("02", 60), ("03", 4)):
        evaluation = evaluated(tmp_path / f"e{day}", wrong, when=f"2026-11-{day}")
        last, report = run_gate(tmp_path / day, evaluation, baseline=first[0], last=last)
    trend = [
        (run.when, run.wer["saved_model/unpadded"]) for run in read_verdict(report.uri).history
    ]
    assert trend == [("2026-11-01", 0.005), ("2026-11-02", 0.06)]


def test_the_same_evaluation_judged_again_is_no_new_point(first, tmp_path):
    evaluation = artifact(standard_artifacts.ModelEvaluation, tmp_path / "e1")
    _, report = run_gate(tmp_path / "2", evaluation, baseline=first[0], last=first[0])
    assert read_verdict(report.uri).history == ()


def test_a_report_that_was_cleaned_away_costs_the_history_only(first, tmp_path):
    gone = artifact(standard_artifacts.ModelBlessing, tmp_path / "gone")
    gone.set_string_custom_property(REPORT_KEY, str(tmp_path / "nowhere"))
    evaluation = evaluated(tmp_path / "e2", wrong=4, when="2026-11-02")
    blessing, report = run_gate(tmp_path / "2", evaluation, last=gone)
    assert model_utils.is_model_blessed(blessing)
    assert read_verdict(report.uri).history == ()


@pytest.mark.parametrize("place", ["", "gone"])
def test_a_baseline_whose_evaluation_is_gone_refuses_with_the_cure(tmp_path, place):
    blessed = artifact(standard_artifacts.ModelBlessing, tmp_path / "blessed")
    blessed.set_string_custom_property(EVALUATION_KEY, place)
    evaluation = evaluated(tmp_path / "e", wrong=0, when="2026-11-02")
    blessing, report = run_gate(tmp_path / "2", evaluation, baseline=blessed)
    assert not model_utils.is_model_blessed(blessing)
    (failed,) = [finding for finding in read_verdict(report.uri).findings if not finding.passed]
    assert failed.rule == "no regression"
    assert "is gone" in failed.reason and "gate.regression_trials=[]" in failed.reason


def test_other_references_for_the_same_utterances_are_no_way_around_the_comparison(first, tmp_path):
    predictions = [
        dataclasses.replace(one, reference=one.reference.lower(), hypothesis=one.hypothesis.lower())
        for one in utterances(60)
    ]
    evaluation = evaluated(tmp_path / "e2", wrong=60, when="2026-11-02")
    write_evaluation(tmp_path / "e2", predictions)
    blessing, report = run_gate(tmp_path / "2", evaluation, baseline=first[0])
    assert not model_utils.is_model_blessed(blessing)
    failed = [finding for finding in read_verdict(report.uri).findings if not finding.passed]
    assert "evaluate it again with this normalisation" in failed[0].reason


def test_a_blessing_says_what_the_model_was_judged_on(tmp_path):
    blessing = artifact(standard_artifacts.ModelBlessing, tmp_path)
    model = artifact(standard_artifacts.Model, "/model")
    bless(blessing, False, model, "/evaluation", "/report")
    assert blessing.get_string_custom_property(EVALUATION_KEY) == "/evaluation"
    assert blessing.get_string_custom_property(REPORT_KEY) == "/report"


def test_without_a_gate_nothing_is_judged_only_measured(tmp_path):
    evaluated(tmp_path, wrong=5, when="2026-11-01")
    verdict = reach_verdict("model", str(tmp_path), gate=None)
    assert verdict.findings == [] and not verdict.blessed
    assert verdict.scores[0].wer == 0.005
