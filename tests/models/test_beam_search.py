"""Beam search: the most probable text, and what a language model and hotwords add to it."""

import itertools
import logging
import random
import sys
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.beam_search import BeamDecoder, BeamSearchConfig, Decoded, greedy
from models.errors import BadInputError
from models.language_model import count_ngrams, write_arpa
from models.vocabulary import Vocabulary
from models.word_errors import word_error_rate
from pipeline.synthetic.grammar import sentence

ENGLISH = Vocabulary.of_characters("ABCDEFGHIJKLMNOPQRSTUVWXYZ'")
# Not in the usual order: the blank is last, and there is a token that is never written.
SMALL = Vocabulary(("A", "B", "|", "<unk>", "<pad>"), blank=4, unknown=3)
# Letters that the noisy recogniser below cannot tell apart.
PAIRS = ("AE", "IY", "OU", "BP", "DT", "GK", "FV", "MN", "SZ", "LR", "CQ")
ALIKE = {letter: other for pair in PAIRS for letter, other in (pair, reversed(pair))}
WIDE = BeamSearchConfig(width=10_000)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def spoken(text: str, vocabulary: Vocabulary = ENGLISH, certainty: float = 12.0) -> np.ndarray:
    """Log-probabilities of someone who says the text clearly: a letter, a blank, a letter, …"""
    path = [token for index in vocabulary.encode(text) for token in (index, vocabulary.blank)]
    return log_softmax(certainty * np.eye(len(vocabulary.tokens))[path])


def mumbled(text: str, seed: int) -> np.ndarray:
    """The same from someone whose letters are nearly as likely their likes."""
    noise = np.random.default_rng(seed)
    token = ENGLISH.tokens.index
    logits = np.zeros((2 * len(text), len(ENGLISH.tokens)))
    logits[:, ENGLISH.blank] = 8
    for place, letter in enumerate(text):
        frame = noise.normal(0, 0.5, len(ENGLISH.tokens))
        for sound in sorted({letter, ALIKE.get(letter, letter)}):
            frame[token("|" if sound == " " else sound)] += 6 + noise.normal(0, 0.7)
        logits[2 * place] = frame
    return log_softmax(logits)


def probabilities_of_texts(log_probs: np.ndarray, vocabulary: Vocabulary) -> dict[str, float]:
    """What CTC says of every text, by going through all its paths."""
    totals: dict[str, float] = defaultdict(float)
    frames, tokens = log_probs.shape
    for path in itertools.product(range(tokens), repeat=frames):
        totals[vocabulary.decode(path)] += np.exp(log_probs[np.arange(frames), path].sum())
    return totals


SMALL_LOG_PROBS = (
    st.integers(1, 5)
    .flatmap(lambda frames: arrays.arrays(np.float64, (frames, 5), elements=st.floats(-0.9, 0.9)))
    .map(log_softmax)
)


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    """A language model of telephone commands, and commands that it was not trained on."""
    source = random.Random(0)
    heard = {sentence("phone", source) for _ in range(400)}
    path = tmp_path_factory.mktemp("phone") / "phone.arpa"
    write_arpa(count_ngrams(sorted(heard), 3), path)
    unheard = {sentence("phone", source) for _ in range(400)} - heard
    return path, sorted(unheard)[::4][:25]


@settings(max_examples=40, deadline=None)
@given(SMALL_LOG_PROBS)
def test_a_wide_search_finds_the_most_probable_text_and_its_probability(log_probs):
    truth = probabilities_of_texts(log_probs, SMALL)
    found = BeamDecoder(SMALL, WIDE).decode(log_probs)
    assert truth[found.text] == pytest.approx(max(truth.values()))
    assert found.log_probability == pytest.approx(np.log(truth[found.text]))
    assert truth[found.text] >= truth[greedy(log_probs, SMALL).text] - 1e-12


@settings(max_examples=40, deadline=None)
@given(SMALL_LOG_PROBS)
def test_greedy_is_the_most_probable_path(log_probs):
    frames, tokens = log_probs.shape
    paths = list(itertools.product(range(tokens), repeat=frames))
    found = greedy(log_probs, SMALL)
    assert found.text == SMALL.decode(log_probs.argmax(axis=-1))
    most_probable = log_probs[np.arange(frames), paths].sum(axis=-1).max()
    assert found.log_probability == pytest.approx(most_probable)


@given(st.lists(st.text("ABCXYZ'", min_size=1), min_size=1, max_size=4).map(" ".join))
def test_clear_speech_needs_no_width(text):
    log_probs = spoken(text)
    narrow = BeamDecoder(ENGLISH, BeamSearchConfig(width=1)).decode(log_probs)
    assert narrow.text == greedy(log_probs, ENGLISH).text == text


def test_a_language_model_mends_mumbled_commands(phone):
    language_model, commands = phone
    utterances = [mumbled(command, seed) for seed, command in enumerate(commands)]
    plain = BeamDecoder(ENGLISH, BeamSearchConfig())
    informed = BeamDecoder(ENGLISH, BeamSearchConfig(), language_model)
    best_paths = word_error_rate(commands, [greedy(each, ENGLISH).text for each in utterances])
    searched = word_error_rate(commands, [plain.decode(each).text for each in utterances])
    mended = word_error_rate(commands, [informed.decode(each).text for each in utterances])
    assert best_paths > 0.5
    assert searched == pytest.approx(best_paths, abs=0.1)
    assert mended < 0.1 * best_paths


def test_a_hotword_that_the_language_model_never_saw_is_recovered(phone):
    language_model, _ = phone
    # Letter for letter like PETER, whom the language model knows.
    log_probs = mumbled("CALL BEDER", seed=0)
    without = BeamDecoder(ENGLISH, BeamSearchConfig(), language_model)
    with_hotword = BeamDecoder(ENGLISH, BeamSearchConfig(hotwords=("BEDER",)), language_model)
    assert without.decode(log_probs).text == "CALL PETER"
    assert with_hotword.decode(log_probs).text == "CALL BEDER"


def test_a_hotword_helps_without_a_language_model_too():
    log_probs = mumbled("CALL ZELDA", seed=1)
    plain = BeamDecoder(ENGLISH, BeamSearchConfig())
    favoured = BeamDecoder(ENGLISH, BeamSearchConfig(hotwords=("ZELDA", "CALL")))
    assert plain.decode(log_probs).text != "CALL ZELDA"
    assert favoured.decode(log_probs).text == "CALL ZELDA"


def test_the_end_of_the_sentence_counts_after_a_trailing_space_too(tmp_path):
    write_arpa(count_ngrams(["CALL ANNE NOW", "CALL ANNA"] * 20, 3), tmp_path / "model.arpa")
    decoder = BeamDecoder(ENGLISH, BeamSearchConfig(), tmp_path / "model.arpa")
    a, e, space = ENGLISH.encode("A")[0], ENGLISH.encode("E")[0], ENGLISH.encode("A B")[1]
    log_probs = spoken("CALL ANNA")
    log_probs[-2, [a, e]] = np.log([0.45, 0.55])
    ended = np.vstack([log_probs, log_softmax(12 * np.eye(len(ENGLISH.tokens))[[space, 0]])])
    assert greedy(log_probs, ENGLISH).text == "CALL ANNE"
    assert decoder.decode(log_probs).text == "CALL ANNA"
    assert decoder.decode(ended).text == "CALL ANNA"


def test_silence_is_heard_as_nothing(phone):
    language_model, _ = phone
    silence = log_softmax(12 * np.eye(len(ENGLISH.tokens))[[ENGLISH.blank] * 9])
    for decoder in (
        BeamDecoder(ENGLISH, BeamSearchConfig()),
        BeamDecoder(ENGLISH, BeamSearchConfig(), language_model),
    ):
        assert decoder.decode(silence).text == ""
        assert decoder.decode(silence[:0]) == Decoded("", 0.0)


@pytest.mark.parametrize("special", ["<pad>", "<s>", "</s>", "<unk>"])
def test_special_tokens_part_letters_and_are_never_spelt(special):
    tokens = [ENGLISH.tokens.index(token) for token in ("A", special, "A", special, "B", special)]
    log_probs = log_softmax(12 * np.eye(len(ENGLISH.tokens))[tokens])
    found = BeamDecoder(ENGLISH, BeamSearchConfig()).decode(log_probs)
    assert found.text == greedy(log_probs, ENGLISH).text == "AAB"


@pytest.mark.parametrize("text", ["ночь тиха", "it's o'clock", "नमस्ते", "夜 行"])
def test_other_alphabets_are_searched_alike(text, tmp_path):
    vocabulary = Vocabulary.of_characters(text)
    write_arpa(count_ngrams([text], 2), tmp_path / "model.arpa")
    decoder = BeamDecoder(vocabulary, BeamSearchConfig(), tmp_path / "model.arpa")
    assert decoder.decode(spoken(text, vocabulary)).text == text


def test_a_vocabulary_with_tokens_in_brackets_spells_none_of_them():
    vocabulary = Vocabulary(("|", "a", "b", "[UNK]", "[PAD]"), blank=4, unknown=3)
    log_probs = log_softmax(12 * np.eye(5)[[1, 3, 4, 2, 0, 1]])
    assert BeamDecoder(vocabulary, BeamSearchConfig()).decode(log_probs).text == "ab a"


def test_nothing_is_printed_or_logged(phone, capfd, caplog):
    language_model, commands = phone
    with caplog.at_level(logging.DEBUG, logger="pyctcdecode"):
        logging.getLogger("pyctcdecode").setLevel(logging.NOTSET)
        BeamDecoder(ENGLISH, BeamSearchConfig(), language_model).decode(spoken(commands[0]))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_a_decoder_that_is_gone_holds_no_language_model(phone):
    from pyctcdecode import BeamSearchDecoderCTC

    before = len(BeamSearchDecoderCTC.model_container)
    decoder = BeamDecoder(ENGLISH, BeamSearchConfig(), phone[0])
    assert len(BeamSearchDecoderCTC.model_container) == before + 1
    del decoder
    assert len(BeamSearchDecoderCTC.model_container) == before


def test_a_remote_language_model_is_fetched(phone):
    language_model, commands = phone
    decoder = BeamDecoder(ENGLISH, BeamSearchConfig(), f"file://{language_model}")
    assert decoder.decode(spoken(commands[0])).text == commands[0]


def test_what_cannot_be_searched_with_is_refused_in_one_sentence(phone, tmp_path, monkeypatch):
    language_model, _ = phone
    lower = Vocabulary.of_characters("abc")
    with pytest.raises(BadInputError, match=r"no language model .*nowhere\.arpa"):
        BeamDecoder(ENGLISH, BeamSearchConfig(), tmp_path / "nowhere.arpa")
    (tmp_path / "notes.txt").write_text("not a model")
    with pytest.raises(BadInputError, match=r"notes\.txt is no language model"):
        BeamDecoder(ENGLISH, BeamSearchConfig(), tmp_path / "notes.txt")
    with pytest.raises(BadInputError, match="is no language model"):
        BeamDecoder(ENGLISH, BeamSearchConfig(), tmp_path)
    with pytest.raises(BadInputError, match="can write no word of the language model"):
        BeamDecoder(lower, BeamSearchConfig(), language_model)
    with pytest.raises(BadInputError, match=r"hotword 'cAB' has letters .* never writes"):
        BeamDecoder(lower, BeamSearchConfig(hotwords=("cAB",)))
    with pytest.raises(BadInputError, match="a vocabulary of 8 tokens"):
        BeamDecoder(lower, BeamSearchConfig()).decode(spoken("A"))
    monkeypatch.setitem(sys.modules, "kenlm", None)
    with pytest.raises(BadInputError, match="needs pyctcdecode and kenlm"):
        BeamDecoder(ENGLISH, BeamSearchConfig())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"width": 0}, r"evaluation\.beam_search\.width must be at least 1, not 0"),
        ({"language_model_weight": -1}, r"language_model_weight must be at least 0, not -1"),
        ({"hotword_weight": -0.5}, r"hotword_weight must be at least 0, not -0\.5"),
        ({"hotwords": ("ANNA", " ")}, r"evaluation\.beam_search\.hotwords: an empty one"),
    ],
)
def test_a_config_that_makes_no_sense_names_its_key(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        BeamSearchConfig(**options)
