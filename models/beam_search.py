"""From log-probabilities to text outside the graph: the best path, or a CTC prefix beam search
with a word n-gram language model and hotwords.

Both start from the same log-probabilities, so a recogniser runs once and is decoded many ways.
"""

from __future__ import annotations

import logging
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models import filesystem
from models.errors import BadInputError
from models.language_model import END, UNIGRAMS_FILE, known_words
from models.vocabulary import Vocabulary

# What is this much less likely than a frame's or a search's best is not followed. Natural logs.
UNLIKELY_TOKEN = -5.0
UNLIKELY_TEXT = -10.0
NATURAL_LOG_OF_10 = float(np.log(10))


@dataclass(frozen=True)
class BeamSearchConfig:
    """How wide to search, and how far words and hotwords outweigh what was heard.

    The language model's weight and the bonus for each word count only where there is such a model.
    A hotword is a word or several, each of which is favoured for itself.
    """

    width: int = 64  # texts that are followed at once; more is slower
    language_model_weight: float = 0.5  # times the model's log-probability of each word
    # Added for each word, in natural logs: a language model alone likes few words.
    word_bonus: float = 1.5
    hotwords: tuple[str, ...] = ()  # as the transcripts are written, letter by letter
    hotword_weight: float = 10.0  # added for each of their words, in natural logs

    def __post_init__(self) -> None:
        key = "evaluation.beam_search"
        if self.width < 1:
            raise ValueError(f"{key}.width must be at least 1, not {self.width}")
        for name in ("language_model_weight", "hotword_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{key}.{name} must be at least 0, not {getattr(self, name)}")
        if not all(hotword.strip() for hotword in self.hotwords):
            raise ValueError(f"{key}.hotwords: an empty one cannot be heard; leave it out")


@dataclass(frozen=True)
class Decoded:
    """A text and the natural-log probability of the alignments found for it.

    A best path is one alignment; a beam search sums over those it followed.
    """

    text: str
    log_probability: float


def greedy(log_probs: np.ndarray, vocabulary: Vocabulary) -> Decoded:
    """The text of the best token of each frame. `log_probs` [frames, vocab]"""
    text = vocabulary.decode(log_probs.argmax(axis=-1))
    return Decoded(text, float(log_probs.max(axis=-1).sum()))


class BeamDecoder:
    """Searches with one vocabulary, one config and at most one language model."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        config: BeamSearchConfig,
        language_model: str | Path | None = None,
    ) -> None:
        self._config = config
        self._tokens = len(vocabulary.tokens)
        self._silent, self._spelt = _silent_and_spelt(vocabulary)
        written = vocabulary.written_tokens()
        letters = [written[index] for index in self._spelt]
        _refuse_unspeakable_hotwords(config.hotwords, set("".join(letters)))
        scorer = None if language_model is None else _open_scorer(language_model, config, letters)
        self._search = _new_search(["", *letters], scorer)
        # The library keeps every language model until it is told not to.
        weakref.finalize(self, self._search.cleanup)

    def decode(self, log_probs: np.ndarray) -> Decoded:
        """The best text of one utterance. `log_probs` [frames, vocab], natural logs"""
        if log_probs.ndim != 2 or log_probs.shape[1] != self._tokens:
            raise BadInputError(
                f"Log-probabilities of shape {log_probs.shape} do not fit a vocabulary of "
                f"{self._tokens} tokens; decode with the vocabulary of the recogniser."
            )
        if not len(log_probs):
            return Decoded("", 0.0)
        text, _, _, log_probability, _ = self._search.decode_beams(
            self._blank_and_letters(log_probs),
            beam_width=self._config.width,
            beam_prune_logp=UNLIKELY_TEXT,
            token_min_logp=UNLIKELY_TOKEN,
            hotwords=self._config.hotwords,
            hotword_weight=self._config.hotword_weight,
        )[0]
        return Decoded(text, float(log_probability))

    def _blank_and_letters(self, log_probs: np.ndarray) -> np.ndarray:
        """A token that is never written parts letters as a blank does, so it is counted as one."""
        silence = np.logaddexp.reduce(log_probs[:, self._silent], axis=1)
        return np.column_stack([silence, log_probs[:, self._spelt]])


class _WordScorer:
    """pyctcdecode's scorer of words, which fines unknown ones, with two exceptions.

    A hotword is known, whatever the model was trained on. And a text that ends in a space ends
    there: pyctcdecode takes the nothing behind it for one more, unknown, word.
    """

    def __init__(self, model: Any, scorer: Any, config: BeamSearchConfig) -> None:
        self._model = model
        self._scorer = scorer
        self._weight = config.language_model_weight * NATURAL_LOG_OF_10
        self._bonus = config.word_bonus
        self._hotwords = {word for hotword in config.hotwords for word in hotword.split()}

    @property
    def order(self) -> int:
        return self._scorer.order

    def get_start_state(self) -> Any:
        return self._scorer.get_start_state()

    def score_partial_token(self, partial: str) -> float:
        return self._scorer.score_partial_token(partial)

    def score(self, state: Any, word: str, is_last_word: bool = False) -> tuple[float, Any]:
        if word and word not in self._hotwords:
            return self._scorer.score(state, word, is_last_word)
        total = 0.0
        if word:
            log_probability, state = self._after(state, word)
            total = self._weight * log_probability + self._bonus
        if is_last_word:
            total += self._weight * self._after(state, END)[0]
        return total, state

    def _after(self, state: Any, word: str) -> tuple[float, Any]:
        """The base-10 log-probability of a word, and the state that it leads to."""
        following = type(state)()
        return self._model.BaseScore(state, word, following), following


def _silent_and_spelt(vocabulary: Vocabulary) -> tuple[list[int], list[int]]:
    """The ids that write nothing and those that write something."""
    written = vocabulary.written_tokens()
    unwritten = {index for index, text in enumerate(written) if not text}
    silent = unwritten | {vocabulary.blank}
    if vocabulary.unknown is not None:
        silent.add(vocabulary.unknown)
    return sorted(silent), [index for index in range(len(written)) if index not in silent]


def _refuse_unspeakable_hotwords(hotwords: tuple[str, ...], letters: set[str]) -> None:
    for hotword in hotwords:
        strange = sorted(set(hotword) - letters - {" "})
        if strange:
            raise BadInputError(
                f"The hotword {hotword!r} has letters that the recogniser never writes "
                f"({' '.join(strange)}); write it as its transcripts are written."
            )


def _new_search(labels: list[str], scorer: _WordScorer | None) -> Any:
    _, decoder, alphabet, _ = _libraries()
    return decoder.BeamSearchDecoderCTC(alphabet.Alphabet(labels, is_bpe=False), scorer)


def _open_scorer(
    language_model: str | Path, config: BeamSearchConfig, letters: list[str]
) -> _WordScorer:
    kenlm, _, _, scorers = _libraries()
    if not filesystem.exists(language_model):
        raise BadInputError(f"There is no language model {language_model}; check the path.")
    with _local(language_model) as path:
        model = _load(kenlm, path, language_model)
        words = known_words(path)
    if words is not None and not any(set(word) <= set("".join(letters)) for word in words):
        raise BadInputError(
            f"The recogniser can write no word of the language model {language_model}; train one "
            "on transcripts that are normalised as the recogniser's are."
        )
    with _without_advice():
        scorer = scorers.LanguageModel(
            model, words, alpha=config.language_model_weight, beta=config.word_bonus
        )
    return _WordScorer(model, scorer, config)


def _load(kenlm: Any, path: Path, name: str | Path) -> Any:
    options = kenlm.Config()
    options.show_progress = False
    options.arpa_complain = kenlm.ARPALoadComplain.NONE
    try:
        return kenlm.Model(str(path), options)
    except OSError as error:
        raise BadInputError(
            f"{name} is no language model that KenLM reads; give an ARPA file of order 2 or more, "
            "or a KenLM binary."
        ) from error


@contextmanager
def _local(language_model: str | Path) -> Iterator[Path]:
    """The model where KenLM can open it; once it is loaded, the file is no longer needed."""
    if not filesystem.is_remote(language_model):
        yield Path(language_model)
        return
    folder, _, name = str(language_model).rpartition("/")
    with tempfile.TemporaryDirectory() as copies:
        for each in (name, UNIGRAMS_FILE):
            remote = filesystem.join(folder, each)
            if filesystem.exists(remote):
                filesystem.write_bytes(Path(copies, each), filesystem.read_bytes(remote))
        yield Path(copies, name)


@contextmanager
def _without_advice() -> Iterator[None]:
    """pyctcdecode warns of few words and of none: both are the user's choice."""
    logger = logging.getLogger("pyctcdecode")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _libraries() -> tuple[Any, Any, Any, Any]:
    try:
        import kenlm
        from pyctcdecode import alphabet, decoder, language_model
    except ImportError as error:
        raise BadInputError(
            "Beam search needs pyctcdecode and kenlm, which install on Python 3.11 only; use that "
            "Python, or decode greedily."
        ) from error
    return kenlm, decoder, alphabet, language_model
