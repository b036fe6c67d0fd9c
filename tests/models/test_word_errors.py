"""Word errors: the counts are sclite's to the last one, and they add up."""

import math
import random
import re
import subprocess

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.word_errors import (
    ErrorCounts,
    align_words,
    count_character_errors,
    count_word_errors,
    counts_of_alignment,
    word_error_rate,
)

SENTENCES = st.lists(st.sampled_from(["A", "B", "C", "É", "नम"]), max_size=12).map(" ".join)
SCLITE_SCORES = re.compile(
    r"id: \(s_(\d+)\)\s+Scores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)", re.MULTILINE
)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "alignment"),
    [
        ("CALL ANNA", "CALL ANNA", "CC"),
        ("CALL ANNA", "CALL HANNAH", "CS"),
        ("CALL MY MOTHER", "CALL MOTHER", "CDC"),
        ("CALL ANNA", "CALL TO ANNA", "CIC"),
        ("CALL ANNA", "", "DD"),
        ("", "CALL", "I"),
        ("", "", ""),
        # Two gaps on each side cost 12, three substitutions 12 as well, four 16.
        ("A B C D", "E F A B", "IICCDD"),
    ],
)
def test_each_kind_of_error_is_a_letter(reference, hypothesis, alignment):
    assert align_words(reference, hypothesis) == alignment


@given(SENTENCES, SENTENCES)
def test_the_counts_are_those_of_the_alignment(reference, hypothesis):
    counts = count_word_errors(reference, hypothesis)
    assert counts == counts_of_alignment(align_words(reference, hypothesis))
    assert counts.length == len(reference.split())
    assert counts.insertions - counts.deletions == len(hypothesis.split()) - counts.length


@given(SENTENCES, SENTENCES)
def test_there_are_never_fewer_errors_than_the_edit_distance(reference, hypothesis):
    distance = jiwer.process_words(reference, hypothesis)
    fewest = distance.substitutions + distance.deletions + distance.insertions
    counts = count_word_errors(reference, hypothesis)
    assert counts.errors >= fewest
    if fewest <= 3:
        assert counts.errors == fewest


@given(SENTENCES, SENTENCES)
def test_character_errors_are_jiwers(reference, hypothesis):
    output = jiwer.process_characters(reference, hypothesis)
    errors = output.substitutions + output.deletions + output.insertions
    assert count_character_errors(reference, hypothesis) == errors


@given(st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=5))
def test_a_corpus_weighs_words_not_utterances(pairs):
    total = sum((count_word_errors(*pair) for pair in pairs), start=ErrorCounts())
    rate = word_error_rate(*zip(*pairs, strict=True))
    if total.length:
        assert rate == total.errors / total.length
    else:
        assert math.isnan(rate)


def random_pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Sentences over alphabets of few words, where alignments are ambiguous, and of many."""
    draw = random.Random(seed)
    words = ["a", "b", "É", "नमस्ते", "don't", "日本", "a-b", "ß", "Ω", *map(str, range(40))]
    pairs = []
    for _ in range(count):
        known = words[: draw.choice([1, 2, 3, 5, 9, len(words)])]
        reference = draw.choices(known, k=draw.randint(1, 24))
        hypothesis = draw.choices(known, k=draw.randint(0, 24))
        if draw.random() < 0.5:  # half of them have most words in common
            hypothesis = [
                draw.choice(known) if draw.random() < 0.2 else word
                for word in reference
                if draw.random() < 0.9
            ]
        pairs.append((" ".join(reference), " ".join(hypothesis)))
    return pairs


ADVERSARIAL = [
    ("a", ""),  # nothing heard
    ("a a a a a a", "a"),  # repeated words
    ("a", "a a a a a a"),
    ("a b a b a b a b", "b a b a b a b a"),
    ("a b c d e f g h", "i j k l m n o p"),  # nothing in common
    ("a b c d e f g h", "e f g h a b c d"),  # halves exchanged
    ("x", "a b c d e f"),  # insertions but one
    ("a b c", "a b c d e f g"),  # only insertions
    ("É é E e", "e E é É"),  # case and accents count
]


def sclite_counts(pairs: list[tuple[str, str]], folder) -> list[ErrorCounts]:
    """What sclite counts, utterance by utterance."""
    sides = zip(*pairs, strict=True)
    for name, texts in zip(("reference", "hypothesis"), sides, strict=True):
        lines = (f"{text} (s_{index})\n" for index, text in enumerate(texts))
        (folder / f"{name}.trn").write_text("".join(lines), encoding="utf-8")
    command = "sctk sclite -r reference.trn trn -h hypothesis.trn trn -i rm -s -e utf-8"
    ran = subprocess.run(
        [*command.split(), "-o", "pralign", "stdout"], cwd=folder, capture_output=True, text=True
    )
    scores = {int(found[1]): found for found in SCLITE_SCORES.finditer(ran.stdout)}
    assert len(scores) == len(pairs), ran.stderr
    by_utterance = (scores[index] for index in range(len(pairs)))
    return [
        ErrorCounts(
            int(found[3]),
            int(found[4]),
            int(found[5]),
            int(found[2]) + int(found[3]) + int(found[4]),
        )
        for found in by_utterance
    ]


def test_thousands_of_pairs_are_counted_as_sclite_counts_them(tmp_path):
    pairs = [*ADVERSARIAL, *random_pairs(6_000, seed=1)]
    assert [count_word_errors(*pair) for pair in pairs] == sclite_counts(pairs, tmp_path)
