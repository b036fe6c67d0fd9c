"""The n-gram language model: true probabilities, KenLM's own figures, and what it cannot do."""

import random
from pathlib import Path

import kenlm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import BadInputError
from models.language_model import NgramCounts, count_ngrams, known_words, write_arpa
from pipeline.synthetic.grammar import sentence

SENTENCES = st.lists(st.sampled_from(["A", "B", "C", "D'S"]), min_size=1, max_size=5).map(" ".join)


def drawn(count: int, seed: int) -> list[str]:
    """Sentences of the household grammar."""
    source = random.Random(seed)
    return [sentence("household", source) for _ in range(count)]


def babbled(count: int, seed: int) -> list[str]:
    """Sentences of made-up words, the first of which are said far more often than the last."""
    source = random.Random(seed)
    words = [f"W{rank}" for rank in range(1, 81)]
    weights = [1 / rank for rank in range(1, 81)]
    return [" ".join(source.choices(words, weights, k=source.randint(1, 7))) for _ in range(count)]


def quiet_model(path: Path) -> kenlm.Model:
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    return kenlm.Model(str(path), config)


def trained(transcripts: list[str], order: int, path: Path) -> kenlm.Model:
    write_arpa(count_ngrams(transcripts, order), path)
    return quiet_model(path)


def perplexity(model: kenlm.Model, texts: list[str]) -> float:
    words = sum(len(text.split()) + 1 for text in texts)
    return 10 ** (-sum(map(model.score, texts)) / words)


def histories(model: kenlm.Model, texts: list[str]) -> list[kenlm.State]:
    """KenLM's state after every word of every text, and after nothing at all."""
    nothing = kenlm.State()
    model.NullContextWrite(nothing)
    states = [nothing]
    for text in texts:
        state = kenlm.State()
        model.BeginSentenceWrite(state)
        for word in text.split():
            states.append(state)
            state, before = kenlm.State(), state
            model.BaseScore(before, word, state)
        states.append(state)
    return states


def total_probability(model: kenlm.Model, state: kenlm.State, words: set[str]) -> float:
    return sum(10 ** model.BaseScore(state, word, kenlm.State()) for word in words)


@settings(max_examples=60, deadline=None)
@given(st.lists(SENTENCES, min_size=1, max_size=12), SENTENCES, st.integers(1, 5))
def test_after_any_history_the_probabilities_of_all_words_sum_to_one(
    tmp_path_factory, transcripts, unheard, order
):
    model = trained(transcripts, order, tmp_path_factory.mktemp("model") / "model.arpa")
    words = count_ngrams(transcripts, order).words | {"</s>", "<unk>"}
    for state in histories(model, [*transcripts, unheard]):
        assert total_probability(model, state, words) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_probabilities_sum_to_one_with_discounts_of_the_corpus(order, tmp_path):
    transcripts = drawn(400, seed=0)
    model = trained(transcripts, order, tmp_path / "model.arpa")
    words = count_ngrams(transcripts, order).words | {"</s>", "<unk>"}
    for state in histories(model, drawn(20, seed=1)):
        assert total_probability(model, state, words) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("order", "log_probability"),
    # What `lmplz -o ORDER --discount_fallback 0.5 1 1.5` makes of the same sentences. Orders 1 to 4
    # between them hold discounts of the corpus, fallback ones, and a D3 of 3.
    [(1, -353.27591), (2, -359.49125), (3, -361.94022), (4, -361.78722)],
)
def test_unheard_text_is_as_likely_as_in_kenlms_own_estimate(order, log_probability, tmp_path):
    model = trained(babbled(500, seed=0), order, tmp_path / "model.arpa")
    found = sum(map(model.score, babbled(50, seed=1)))
    assert found == pytest.approx(log_probability, abs=2e-4)


def test_a_longer_history_predicts_unheard_text_better(tmp_path):
    models = {
        order: trained(drawn(600, seed=0), order, tmp_path / f"{order}.arpa") for order in (1, 2, 3)
    }
    unheard = drawn(100, seed=1)
    perplexities = {order: perplexity(model, unheard) for order, model in models.items()}
    assert perplexities[3] < perplexities[2] < 0.5 * perplexities[1]


def test_a_word_never_said_has_the_share_of_one_word_in_what_discounting_left(tmp_path):
    model = trained(["A B", "A C", "A D"], 2, tmp_path / "model.arpa")
    # Seven pairs that differ; each of five words (A, B, C, D and the end) follows 1, 1, 1, 1 and 3
    # others; 0.5 is taken off a 1 and 1.5 off a 3, and </s>, <unk> and four words share it.
    left = (4 * 0.5 + 1.5) / 7
    assert 10 ** model.score("E", bos=False, eos=False) == pytest.approx(left / 6, rel=1e-5)


def test_counts_of_parts_merge_to_those_of_the_whole(tmp_path):
    transcripts = drawn(60, seed=0)
    merged = NgramCounts(3)
    for start in range(0, 60, 7):
        merged.merge(count_ngrams(transcripts[start : start + 7], 3))
    whole = count_ngrams(transcripts, 3)
    assert merged == whole
    assert whole.sentences == 60
    write_arpa(merged, tmp_path / "merged.arpa")
    write_arpa(count_ngrams(reversed(transcripts), 3), tmp_path / "whole.arpa")
    assert (tmp_path / "merged.arpa").read_bytes() == (tmp_path / "whole.arpa").read_bytes()


@pytest.mark.parametrize("transcripts", [[], ["", "  "], ["<s> <unk> </s>"]])
def test_a_corpus_without_a_word_is_refused_in_one_sentence(transcripts, tmp_path):
    with pytest.raises(BadInputError, match="transcripts without a word"):
        write_arpa(count_ngrams(transcripts, 3), tmp_path / "model.arpa")


def test_marks_in_a_transcript_are_no_words(tmp_path):
    marked = count_ngrams(["CALL <unk> ANNA </s>"], 2)
    assert marked == count_ngrams(["CALL ANNA"], 2)


def test_the_words_of_an_arpa_file_are_read_back_in_any_alphabet(tmp_path):
    said = ["don't", "ночь", "नमस्ते", "夜"]
    write_arpa(count_ngrams([" ".join(said)], 3), tmp_path / "model.arpa")
    assert known_words(tmp_path / "model.arpa") == set(said)


def test_an_arpa_file_without_backoff_weights_is_read_too(tmp_path):
    path = tmp_path / "model.arpa"
    path.write_text("\\data\\\nngram 1=2\n\n\\1-grams:\n-0.3 </s>\n-0.3 A\n\n\\end\\\n")
    assert known_words(path) == {"A"}


def test_the_words_of_a_binary_are_those_in_the_file_beside_it(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0")
    assert known_words(path) is None
    (tmp_path / "unigrams.txt").write_text("CALL\nANNA\n")
    assert known_words(path) == {"CALL", "ANNA"}
