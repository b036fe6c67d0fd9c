"""The gate's section of a config: what it refuses, and in which words."""

import pytest

from components.release_gate.config import GateConfig, features_of
from schemas.properties import from_json, to_json

NAN = float("nan")


def test_a_gate_travels_through_a_node_unchanged():
    gate = GateConfig(
        max_wer={"unpadded@speaker:*": 0.1, "unpadded+beam": 0.05},
        max_cer={"tflite_int8/static": 0.02},
        max_real_time_factor={"unpadded": 0.5},
        max_megabytes={"tflite_int8": 100},
        regression_tests=("bootstrap",),
        regression_trials=("unpadded", "tflite_int8/static"),
    )
    assert from_json(GateConfig, to_json(gate)) == gate


def test_a_bound_on_characters_alone_is_a_gate():
    assert GateConfig(max_wer={}, max_cer={"unpadded": 0.05})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"max_wer": {}}, "gate.max_wer: name at least one bound, such as"),
        ({"max_wer": {"unpadded": -1.0}}, "gate.max_wer.unpadded must be 0 or more, not -1.0"),
        ({"max_wer": {"unpadded": NAN}}, "gate.max_wer.unpadded must be 0 or more, not nan"),
        ({"max_wer": {"unpadded": float("inf")}}, "must be 0 or more, not inf"),
        ({"max_cer": {"unpadded": -1.0}}, "gate.max_cer.unpadded must be"),
        ({"max_wer": {"unpadded@gendre:F": 0.1}}, "there are no slices by 'gendre', only by speak"),
        ({"max_wer": {"unpadded@": 0.1}}, "must be feature:value"),
        ({"max_wer": {"unpadded@gender": 0.1}}, "must be feature:value"),
        ({"max_wer": {"unpadded@gender:": 0.1}}, "must be feature:value"),
        ({"max_real_time_factor": {"unpadded": NAN}}, "max_real_time_factor.unpadded must be"),
        ({"max_real_time_factor": {"unpadded@gender:F": 1}}, "must be without a slice"),
        (
            {"max_megabytes": {"tflite_int8": -1}},
            "gate.max_megabytes.tflite_int8 must be 0 or more",
        ),
        ({"min_utterances": 0}, "gate.min_utterances must be 1 or more, not 0"),
        ({"min_slice_words": 0}, "gate.min_slice_words must be 1 or more"),
        ({"min_hours": -1.0}, "gate.min_hours must be 0 or more"),
        ({"max_excluded": 1.5}, "gate.max_excluded must lie between 0 and 1, not 1.5"),
        ({"max_excluded": NAN}, "gate.max_excluded must lie between 0 and 1"),
        ({"tolerated_regression": NAN}, "gate.tolerated_regression must be 0 or more"),
        ({"regression_confidence": 1.0}, "gate.regression_confidence must lie between 0.5 and 1"),
        ({"regression_tests": ()}, "name at least one of bootstrap, matched_pairs"),
        ({"regression_trials": ("unpadded@speaker:*",)}, "must be without a slice"),
    ],
)
def test_a_gate_that_cannot_judge_is_refused(options, sentence):
    with pytest.raises(ValueError, match="gate") as refusal:
        GateConfig(**options)
    assert sentence in str(refusal.value)


def test_an_unknown_regression_test_is_refused():
    text = to_json(GateConfig()).replace("bootstrap", "astrology")
    with pytest.raises(ValueError, match="bootstrap"):
        from_json(GateConfig, text)


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("", {}),
        ("speaker:*", {"speaker": "*"}),
        ("corpus:a, b,gender:F", {"corpus": "a, b", "gender": "F"}),
        ("chapter:12:30", {"chapter": "12:30"}),
    ],
)
def test_a_slice_is_read_back_from_its_name(name, features):
    assert features_of(name) == features
