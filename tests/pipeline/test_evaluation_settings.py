"""What `w2v evaluate` is told: bounds by short names, options over a config's sections."""

import pytest

from models.errors import BadInputError
from pipeline.evaluation_settings import parse_bound, read_settings


@pytest.mark.parametrize(
    ("text", "artifact", "bound"),
    [
        ("0.05", "saved_model", ("saved_model/unpadded", 0.05)),
        ("0.05", "tflite_int8", ("tflite_int8/static", 0.05)),
        ("bucketed=0.1", "onnx_int8", ("onnx_int8/bucketed", 0.1)),
        ("unpadded@gender:F=0.1", "checkpoint", ("checkpoint/unpadded@gender:F", 0.1)),
        ("saved_model/unpadded@speaker:*=1", "tflite_int8", ("saved_model/unpadded@speaker:*", 1)),
    ],
)
def test_a_bound_names_as_little_as_is_clear(text, artifact, bound):
    assert parse_bound(text, artifact) == bound


@pytest.mark.parametrize("text", ["", "good", "unpadded=", "unpadded=5%"])
def test_what_is_no_bound_is_refused_with_an_example(text):
    with pytest.raises(BadInputError, match=r"give a rate, such as 0\.05"):
        parse_bound(text, "saved_model")


def test_without_bounds_nothing_is_gated():
    settings = read_settings("saved_model")
    assert settings.gate is None
    assert settings.evaluation.beam_trials == ("saved_model/unpadded",)


def test_a_config_gives_its_sections_and_options_change_them():
    settings = read_settings(
        "saved_model",
        config="librispeech-100h",
        options={"variants": ["bucketed"]},
        bounds=["bucketed=0.2"],
        overrides=["gate.min_utterances=5"],
    )
    assert settings.evaluation.variants == ("bucketed",)
    assert settings.gate.max_wer == {"saved_model/bucketed": 0.2}
    assert settings.gate.min_utterances == 5


def test_a_mistake_names_the_key():
    with pytest.raises(BadInputError, match=r"did you mean evaluation\.variants"):
        read_settings("saved_model", overrides=["evaluation.variant=[unpadded]"])
