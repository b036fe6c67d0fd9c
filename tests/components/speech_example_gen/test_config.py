"""What a data section may say."""

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfx.components.example_gen.utils import date_to_span_number

from components.speech_example_gen.config import DataConfig, SpeakerShares


def spans(*patterns: str, **options) -> DataConfig:
    train, dev, test = patterns if len(patterns) == 3 else patterns * 3
    return DataConfig(corpus="/data", train=train, dev=dev, test=test, **options)


@pytest.mark.parametrize(
    "pattern",
    [
        "{SPAN}/a",
        "{SPAN:4}/a",
        "{YYYY}-{MM}-{DD}",
        "{DD}/{MM}/{YYYY}/v{VERSION:2}",
        "{SPAN}/{VERSION}",
        "train-*",
    ],
)
def test_spans_are_numbered_or_dated_and_may_have_versions(pattern):
    assert spans(pattern).patterns["train"] == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "{SPAN}/{SPAN}",
        "{YYYY}-{MM}",
        "{SPAN}/{YYYY}-{MM}-{DD}",
        "{VERSION}",
        "{SPAN}{VERSION}{VERSION}",
    ],
)
def test_other_combinations_of_placeholders_are_refused(pattern):
    with pytest.raises(ValueError, match=r"data\.train .* each once; and {VERSION} only beside"):
        spans(pattern)


def test_splits_with_unlike_placeholders_are_refused():
    with pytest.raises(ValueError, match="must hold the same placeholders"):
        spans("{SPAN}/train", "dev", "test")


@pytest.mark.parametrize(("key", "value"), [("last_spans", 2), ("span", 3)])
def test_a_choice_of_spans_needs_spans_to_choose_from(key, value):
    options = {key: value}
    with pytest.raises(ValueError, match=rf"data\.{key} has no spans .* data\.train, data\.dev"):
        spans("train-*", **options)
    with pytest.raises(ValueError, match=r"into data\.all"):
        DataConfig(corpus="/data", all="*", **options)


@settings(deadline=None)
@given(st.dates(min_value=datetime.date(1970, 1, 1)))
def test_a_date_is_the_span_that_tfx_gives_it(date):
    expected = date_to_span_number(date.year, date.month, date.day)
    assert spans("{YYYY}{MM}{DD}", span=date.isoformat()).span_number == expected


@pytest.mark.parametrize("span", ["31.1.2026", "yesterday", ""])
def test_a_span_that_is_no_date_is_named(span):
    with pytest.raises(ValueError, match=r"data\.span is .*2026-01-31"):
        spans("{YYYY}-{MM}-{DD}", span=span)


def test_a_corpus_is_split_by_speakers_or_by_patterns_not_both():
    assert DataConfig(corpus="/data", all="*").patterns == {"all": "*"}
    with pytest.raises(ValueError, match=r"data\.all .* take data\.train"):
        DataConfig(corpus="/data", all="*", dev="validation")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shard_megabytes", 0),
        ("max_quarantined_fraction", 1.5),
        ("max_clipped_fraction", -0.1),
        ("longest_seconds", 0),
        ("last_spans", 0),
    ],
)
def test_a_number_out_of_reach_is_named(name, value):
    with pytest.raises(ValueError, match=rf"data\.{name} must .* not {value}"):
        DataConfig(corpus="/data", **{name: value})


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.0), (0.5, 0.3, 0.3), (1.2, -0.1, -0.1)])
def test_shares_are_of_one_whole(shares):
    with pytest.raises(ValueError, match="add up to 1"):
        SpeakerShares(*shares)
