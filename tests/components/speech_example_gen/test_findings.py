"""When what the ingest found must stop a run, and how it says so."""

import dataclasses

import pytest

from components.speech_example_gen.findings import SplitFindings, refuse_bad_splits
from models.errors import BadInputError

TRAIN = SplitFindings("train", 90, 0.1, frozenset({"101", "102"}), ())
TEST = SplitFindings("test", 10, 0.1, frozenset({"301"}), ())
UNREADABLE = {"id": "a", "path": "/corpus/a.flac", "reason": "unreadable audio", "detail": ""}


def test_clean_splits_without_a_common_speaker_pass():
    refuse_bad_splits([TRAIN, TEST], 0.0, "findings")


def test_a_tolerated_share_of_bad_data_passes_and_more_does_not():
    split = dataclasses.replace(TEST, utterances=9, quarantined=(UNREADABLE,))
    refuse_bad_splits([TRAIN, split], 0.1, "findings")
    with pytest.raises(BadInputError) as refused:
        refuse_bad_splits([TRAIN, split], 0.05, "/runs/findings")
    assert "1 of 10 utterances of test cannot be used: unreadable audio (1)" in str(refused.value)
    assert "/corpus/a.flac" in str(refused.value)
    assert "data.max_quarantined_fraction" in str(refused.value)


def test_the_most_frequent_reasons_are_named():
    reasons = ["silent audio"] * 3 + ["empty transcript"] * 2
    rows = tuple(UNREADABLE | {"reason": reason} for reason in reasons)
    split = dataclasses.replace(TEST, quarantined=rows)
    with pytest.raises(BadInputError, match=r"silent audio \(3\), empty transcript \(2\)"):
        refuse_bad_splits([split], 0.0, "findings")


def test_a_speaker_in_two_splits_is_refused():
    heard = dataclasses.replace(TEST, speakers=frozenset({"102", "301"}))
    with pytest.raises(BadInputError, match="such as 102, stand in both train and test"):
        refuse_bad_splits([TRAIN, heard], 0.0, "findings")


def test_an_empty_split_is_refused():
    empty = dataclasses.replace(TEST, utterances=0, speakers=frozenset())
    with pytest.raises(BadInputError, match="The test split holds no utterance"):
        refuse_bad_splits([TRAIN, empty], 0.0, "findings")
