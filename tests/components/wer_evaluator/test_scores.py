"""Scores: sums over predictions, whole and by slice."""

import dataclasses
import math

import pandas as pd
import pytest

from components.wer_evaluator.predictions import Prediction
from components.wer_evaluator.scores import read_scores, score_predictions, whole, write_scores


def prediction(utterance: str, **changes) -> Prediction:
    common = {"artifact": "saved_model", "variant": "unpadded", "speaker": "1", "gender": "F"}
    values = common | {"subset": "test-clean", "audio_seconds": 2.0, "reference": "A B"} | changes
    return Prediction(utterance=utterance, **values)


def scores_of(*predictions: Prediction):
    return score_predictions(pd.DataFrame([dataclasses.asdict(row) for row in predictions]))


def test_errors_are_summed_over_utterances():
    (score,) = whole(
        scores_of(
            prediction("a", words=2, substitutions=1, compute_seconds=0.5),
            prediction("b", words=6, insertions=1, compute_seconds=0.5),
            prediction("c", words=2),
        )
    )
    assert score.wer == pytest.approx(0.2)
    assert score.wrong_utterances == 2
    assert score.times_real_time == pytest.approx(6.0)


def test_an_excluded_utterance_is_counted_but_not_scored():
    (score,) = whole(
        scores_of(prediction("a", words=2), prediction("b", excluded="longer than the padding"))
    )
    assert (score.utterances, score.excluded, score.wer) == (1, 1, 0.0)


def test_every_speaker_and_gender_is_a_slice_that_adds_up():
    scores = scores_of(
        prediction("a", words=2, deletions=1),
        prediction("b", words=2, speaker="2", gender="M"),
    )
    by_slice = {score.slice: score.wer for score in scores}
    assert by_slice["speaker:1"] == by_slice["gender:F"] == 0.5
    assert by_slice["speaker:2"] == by_slice["gender:M"] == 0.0
    assert by_slice[""] == 0.25


def test_without_reference_words_the_rate_is_not_a_number():
    (score,) = whole(scores_of(prediction("a", reference="", insertions=3)))
    assert math.isnan(score.wer)


def test_scores_come_back_from_the_file_as_they_were(tmp_path):
    scores = scores_of(prediction("a", words=2, substitutions=1), prediction("b", reference=""))
    write_scores(scores, str(tmp_path))
    assert read_scores(str(tmp_path)) == scores
