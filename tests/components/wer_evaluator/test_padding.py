"""The paddings: how far each goes, and what does not fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.wer_evaluator.padding import StaticPadding, parse_variant

SAMPLES = st.integers(1, 600_000)


@given(SAMPLES)
def test_unpadded_adds_nothing(samples):
    assert parse_variant("unpadded").padded_length(samples) == samples


@given(SAMPLES)
def test_bucketed_adds_less_than_a_second(samples):
    assert 0 <= parse_variant("bucketed").padded_length(samples) - samples < 16_000


@given(SAMPLES)
def test_constant_never_cuts(samples):
    padded = parse_variant("constant_246000").padded_length(samples)
    assert padded == (246_000 if samples <= 246_000 else None)


@given(SAMPLES)
def test_static_takes_the_shortest_that_holds(samples):
    padded = StaticPadding(lengths=(256_000, 64_000)).padded_length(samples)
    assert padded == (64_000 if samples <= 64_000 else 256_000 if samples <= 256_000 else None)


def test_the_name_says_what_the_model_is_told_of_the_padding():
    assert parse_variant("constant_246000").mask == "full"
    assert parse_variant("constant_246000_unmasked_norm").mask == "not_in_norm"
    assert parse_variant("constant_246000_unmasked").mask == "none"


@pytest.mark.parametrize("name", ["", "padded", "constant", "constant_0", "constant_1_masked"])
def test_an_unknown_variant_lists_the_known_ones(name):
    with pytest.raises(ValueError, match="known are unpadded, bucketed"):
        parse_variant(name)
