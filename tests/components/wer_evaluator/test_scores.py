"""Scores: rates from counts, and a file that machines read."""

import json
import math

import pytest

from components.wer_evaluator.scores import (
    SCORES_FILE,
    Score,
    main_trial,
    read_scores,
    score_as_json,
    whole,
    write_scores,
)


def score(**changes) -> Score:
    values = {
        "artifact": "saved_model",
        "variant": "unpadded",
        "slice": "",
        "utterances": 4,
        "excluded": 1,
        "failed": 0,
        "speakers": 2,
        "audio_seconds": 8.0,
        "compute_seconds": 2.0,
        "substitutions": 1,
        "deletions": 1,
        "insertions": 0,
        "words": 10,
        "character_errors": 3,
        "characters": 60,
        "wrong_utterances": 1,
        "wer_low": 0.1,
        "wer_high": 0.3,
    }
    return Score(**(values | changes))


def test_rates_follow_from_the_counts():
    one = score()
    assert one.wer == 0.2
    assert one.cer == 0.05
    assert one.sentence_error_rate == 0.25
    assert one.real_time_factor == 0.25 and one.times_real_time == 4.0


def test_without_reference_words_the_rate_is_not_a_number():
    assert math.isnan(score(words=0).wer)


def test_the_decoder_is_part_of_the_trials_name():
    assert score().trial == "saved_model/unpadded"
    assert score(decoder="beam").trial == "saved_model/unpadded+beam"


def test_scores_come_back_from_the_file_as_they_were(tmp_path):
    scores = [score(), score(slice="gender:F"), score(variant="bucketed", decoder="beam")]
    write_scores(scores, str(tmp_path))
    assert read_scores(str(tmp_path)) == scores
    assert whole(scores) == [scores[0], scores[2]]


def test_what_is_no_number_is_null_for_machines_and_comes_back(tmp_path):
    write_scores([score(words=0, wer_low=math.nan, wer_high=math.nan)], str(tmp_path))
    (row,) = json.loads((tmp_path / SCORES_FILE).read_text())
    assert row["wer"] is None and row["wer_low"] is None
    (back,) = read_scores(str(tmp_path))
    assert math.isnan(back.wer_low) and back.words == 0


def test_machines_read_the_rates_too():
    assert score_as_json(score())["wer"] == pytest.approx(0.2)


def test_the_unpadded_saved_model_comes_first_where_there_is_one():
    others = [score(artifact="onnx"), score(variant="bucketed")]
    assert main_trial([*others, score()]) == "saved_model/unpadded"
    assert main_trial(others) == "onnx/unpadded"
