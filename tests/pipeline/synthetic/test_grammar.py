"""What the grammars can say."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.synthetic.grammar import GRAMMARS, random_words, sentence, words_of

seeds = st.integers(0, 2**32)


@given(st.sampled_from(["digits", "phone"]), seeds)
def test_digits_and_phone_say_only_capital_letters_and_single_spaces(grammar, seed):
    assert re.fullmatch(r"[A-Z]+( [A-Z]+)*", sentence(grammar, random.Random(seed)))


@given(st.sampled_from(list(GRAMMARS)), seeds)
def test_a_sentence_holds_only_words_that_the_grammar_names(grammar, seed):
    said = sentence(grammar, random.Random(seed))
    assert said.split()
    assert set(said.split()) <= words_of(grammar)


@given(st.sampled_from(list(GRAMMARS)), seeds)
def test_the_same_seed_says_the_same_sentence(grammar, seed):
    assert sentence(grammar, random.Random(seed)) == sentence(grammar, random.Random(seed))


def test_every_word_of_the_phone_grammar_is_said_sooner_or_later():
    source = random.Random(0)
    said = {word for _ in range(2000) for word in sentence("phone", source).split()}
    assert said == words_of("phone")


def test_household_shares_no_word_with_phone_or_digits():
    assert not words_of("household") & (words_of("phone") | words_of("digits"))


def test_household_has_every_letter_and_the_apostrophe_for_an_alphabet_to_be_learned():
    letters = set("".join(words_of("household")))
    assert letters == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ'")


@given(st.lists(st.text("ABC", min_size=1), min_size=1), seeds)
def test_random_words_are_one_to_five_of_the_list(vocabulary, seed):
    words = random_words(vocabulary, random.Random(seed)).split()
    assert 1 <= len(words) <= 5
    assert set(words) <= set(vocabulary)


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_every_placeholder_has_its_rule(grammar):
    rules = GRAMMARS[grammar]
    named = {
        name for rule in rules.values() for text in rule for name in re.findall(r"{(\w+)}", text)
    }
    assert named | {"sentence"} == set(rules)
