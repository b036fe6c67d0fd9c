"""The gate's rules: what passes, what fails, and that doubt means no."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from components.release_gate.config import GateConfig
from components.release_gate.rules import Baseline, judge, paired_bootstrap
from components.wer_evaluator.predictions import Prediction
from components.wer_evaluator.scores import score_predictions


def predictions(errors: list[int], variant: str = "unpadded", artifact: str = "saved_model"):
    """One utterance of ten words for each count of errors."""
    rows = [
        Prediction(
            artifact=artifact,
            variant=variant,
            utterance=f"u{number:04d}",
            speaker=str(number % 2),
            subset="test-clean",
            gender="F" if number % 2 else "M",
            audio_seconds=3.0,
            reference=f"SENTENCE {number}",
            words=10,
            substitutions=count,
        )
        for number, count in enumerate(errors)
    ]
    return pd.DataFrame([dataclasses.asdict(row) for row in rows])


def verdict(table, baseline=None, **options) -> dict[str, bool]:
    return {finding.rule: finding.passed for finding in findings(table, baseline, **options)}


def findings(table, baseline=None, **options):
    config = GateConfig(**({"min_utterances": 10} | options))
    judged = Baseline("version 1", baseline) if baseline is not None else None
    return judge(score_predictions(table), table, judged, config)


def test_a_wer_at_its_bound_passes_and_over_it_fails_saying_by_how_much():
    table = predictions([1] * 100)  # 10 %
    assert verdict(table, max_wer={"unpadded": 0.1})["WER saved_model/unpadded"]
    finding = findings(table, max_wer={"unpadded": 0.08})[0]
    assert not finding.passed
    assert finding.reason == "10.00 % is over 8.00 % by 2.00 points"


def test_a_bound_of_zero_passes_only_perfection():
    assert verdict(predictions([0] * 100), max_wer={"unpadded": 0})["WER saved_model/unpadded"]
    one_wrong = predictions([0] * 99 + [1])
    assert not verdict(one_wrong, max_wer={"unpadded": 0})["WER saved_model/unpadded"]


def test_bounds_reach_artifacts_and_slices():
    table = pd.concat(
        [predictions([0, 1] * 50), predictions([2] * 100, variant="static", artifact="tflite_int8")]
    )
    bounds = {"unpadded@gender:M": 0.0, "unpadded@gender:F": 0.05, "tflite_int8/static": 0.3}
    judged = verdict(table, max_wer=bounds)
    assert judged["WER saved_model/unpadded@gender:M"]
    assert not judged["WER saved_model/unpadded@gender:F"]
    assert judged["WER tflite_int8/static"]


@pytest.mark.parametrize("bound", ["bucketed", "unpadded@gender:X", "onnx/unpadded"])
def test_a_bound_on_what_was_not_scored_fails(bound):
    finding = findings(predictions([0] * 100), max_wer={bound: 1.0})[0]
    assert not finding.passed and "was not scored" in finding.reason


def test_a_rate_that_is_no_number_fails():
    table = predictions([0] * 100).assign(words=0)
    finding = findings(table, max_wer={"unpadded": 1.0})[0]
    assert not finding.passed and "no reference words" in finding.reason


def test_too_few_utterances_fail():
    assert not verdict(predictions([0] * 9))["scored utterances"]
    assert verdict(predictions([0] * 10))["scored utterances"]


def test_without_a_baseline_there_is_no_regression():
    assert verdict(predictions([0] * 20))["no regression"]


def test_the_same_model_again_is_no_regression():
    table = predictions([0, 1, 2] * 30)
    finding = findings(table, baseline=table)[-1]
    assert finding.passed and finding.reason == "as good as version 1 on 90 utterances"


def test_a_clearly_worse_model_fails_and_a_better_one_passes():
    good, bad = predictions([0] * 200), predictions([0, 0, 0, 1] * 50)
    assert not verdict(bad, baseline=good, max_wer={"unpadded": 1.0})["no regression"]
    assert verdict(good, baseline=bad)["no regression"]


def test_a_difference_that_chance_explains_passes():
    generator = np.random.default_rng(0)
    one = predictions(list(generator.integers(0, 3, 100)))
    other = predictions(list(generator.integers(0, 3, 100)))
    difference, sureness = paired_bootstrap(
        one.assign(errors=one.substitutions, errors_baseline=other.substitutions)
    )
    assert abs(difference) < 0.05 and 0.05 < sureness < 0.95
    assert verdict(one, baseline=other, max_wer={"unpadded": 1.0})["no regression"]


def test_a_baseline_on_other_utterances_says_so():
    other = predictions([0] * 50).assign(reference="OTHER WORDS")
    finding = findings(predictions([0] * 50), baseline=other)[-1]
    assert finding.passed and "other utterances" in finding.reason


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"max_wer": {}}, "name at least one bound"),
        ({"max_wer": {"unpadded": -1.0}}, "must be 0 or more"),
        ({"max_wer": {"unpadded": float("nan")}}, "must be 0 or more"),
        ({"regression_confidence": 1.0}, "between 0.5 and 1"),
    ],
)
def test_a_gate_that_cannot_judge_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        GateConfig(**options)
