"""The TFMA metric: sums that merge in any order."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_model_analysis import constants

from components.wer_evaluator.metrics import (
    METRICS,
    CountErrors,
    SumErrors,
    metrics_of,
)
from models.word_errors import word_error_rate

PAIRS = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "3"]),
        st.lists(st.sampled_from("ABC"), max_size=5).map(" ".join),
        st.lists(st.sampled_from("ABC"), max_size=5).map(" ".join),
    ),
    min_size=1,
    max_size=12,
)


def extract(reference: str, hypothesis: str, **features) -> dict:
    return {
        constants.LABELS_KEY: np.array([reference]),
        constants.PREDICTIONS_KEY: np.array([hypothesis]),
        constants.FEATURES_KEY: {name: np.array([value]) for name, value in features.items()},
    }


def summed(extracts: list[dict]) -> dict[str, float]:
    combiner = SumErrors("")
    counted = [one for given in extracts for one in CountErrors().process(given)]
    # As Beam may: in parts that are merged later.
    middle = len(counted) // 2
    parts = []
    for part in (counted[:middle], counted[middle:]):
        accumulator = combiner.create_accumulator()
        for one in part:
            accumulator = combiner.add_input(accumulator, one)
        parts.append(accumulator)
    merged = combiner.merge_accumulators(parts)
    return {key.name: value for key, value in combiner.extract_output(merged).items()}


@given(PAIRS, st.randoms())
def test_the_rate_is_the_corpus_rate_however_the_data_is_split(pairs, shuffler):
    extracts = [extract(text, heard, speaker=speaker) for speaker, text, heard in pairs]
    metrics = summed(extracts)
    expected = word_error_rate([pair[1] for pair in pairs], [pair[2] for pair in pairs])
    assert metrics["wer"] == pytest.approx(expected, nan_ok=True)
    shuffled = list(extracts)
    shuffler.shuffle(shuffled)
    assert summed(shuffled) == pytest.approx(metrics, nan_ok=True)


def test_every_metric_has_its_value():
    metrics = summed(
        [
            extract(
                "CALL ANNA", "CALL HANNAH", speaker="1", audio_seconds=2.0, compute_seconds=0.5
            ),
            extract("STOP", "STOP", speaker="2", audio_seconds=2.0, compute_seconds=0.5),
        ]
    )
    assert set(metrics) == set(METRICS)
    assert (metrics["substitutions"], metrics["deletions"], metrics["insertions"]) == (1, 0, 0)
    assert metrics["wer"] == pytest.approx(1 / 3)
    assert metrics["cer"] == pytest.approx(2 / 13)
    assert metrics["sentence_error_rate"] == 0.5
    assert metrics["real_time_factor"] == 0.25
    assert metrics["speakers"] == 2


def test_strings_alone_are_enough_and_may_be_bytes():
    metrics = summed([extract("नमस्ते दुनिया".encode(), "नमस्ते".encode())])
    assert metrics["wer"] == 0.5


def test_what_is_excluded_is_counted_and_not_scored():
    metrics = summed(
        [
            extract("A B", "A B", speaker="1"),
            extract("A B", "", speaker="1", excluded="the model gave NaN", failed=1.0),
        ]
    )
    assert (metrics["utterances"], metrics["excluded"], metrics["failed"]) == (1, 1, 1)
    assert metrics["wer"] == 0.0


def test_nothing_at_all_is_no_number():
    assert math.isnan(metrics_of({})["wer"])
