"""The character vocabulary of a CTC recogniser: text to token ids and back.

>>> vocabulary = Vocabulary.of_characters("AB'")
>>> vocabulary.encode("AB BA")
[5, 6, 4, 6, 5]
>>> vocabulary.decode([5, 5, 0, 5, 4, 6])
'AA B'
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models import filesystem
from models.errors import BadInputError

VOCABULARY_FILE = "vocab.json"
TOKENIZER_FILE = "tokenizer_config.json"
SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id. The blank is the padding token, words are split by the delimiter."""

    tokens: tuple[str, ...]
    blank: int = 0
    unknown: int | None = 3
    delimiter: str = "|"

    @classmethod
    def of_characters(cls, characters: Iterable[str]) -> Vocabulary:
        """Special tokens first, then the word delimiter, then the characters in order."""
        letters = sorted(set(characters) - {"|", " "})
        return cls((*SPECIAL_TOKENS, "|", *letters))

    @classmethod
    def from_folder(cls, folder: str | Path) -> Vocabulary:
        """Read `vocab.json`, and `tokenizer_config.json` where there is one."""
        path = filesystem.join(folder, VOCABULARY_FILE)
        if not filesystem.exists(path):
            raise BadInputError(
                f"{folder} holds no {VOCABULARY_FILE}; a recogniser needs its vocabulary beside "
                "its weights."
            )
        ids = filesystem.read_json_object(path)
        options = _tokenizer_options(folder)
        tokens = [""] * (max(ids.values()) + 1)
        for token, index in ids.items():
            tokens[index] = token
        return cls(
            tokens=tuple(tokens),
            blank=ids.get(_token_text(options.get("pad_token", "<pad>")), 0),
            unknown=ids.get(_token_text(options.get("unk_token", "<unk>"))),
            delimiter=_token_text(options.get("word_delimiter_token", "|")),
        )

    def save(self, folder: str | Path) -> None:
        """Write the files a Hugging Face CTC tokenizer reads."""
        ids = {token: index for index, token in enumerate(self.tokens) if token}
        options = {
            "tokenizer_class": "Wav2Vec2CTCTokenizer",
            "pad_token": self.tokens[self.blank],
            "unk_token": "<unk>" if self.unknown is None else self.tokens[self.unknown],
            "bos_token": "<s>",
            "eos_token": "</s>",
            "word_delimiter_token": self.delimiter,
            "do_lower_case": False,
        }
        filesystem.write_text(
            filesystem.join(folder, VOCABULARY_FILE), json.dumps(ids, ensure_ascii=False, indent=1)
        )
        filesystem.write_text(
            filesystem.join(folder, TOKENIZER_FILE), json.dumps(options, indent=1)
        )

    @property
    def characters(self) -> tuple[str, ...]:
        """The tokens that stand for written characters: no special ones, no delimiter."""
        return tuple(token for token in self.tokens if len(token) == 1 and token != self.delimiter)

    def extended(self, tokens: Iterable[str]) -> Vocabulary:
        """Every token keeps its id; those that are new follow in order.

        >>> Vocabulary.of_characters("AB").extended("AÖB").tokens[-3:]
        ('A', 'B', 'Ö')
        """
        new = dict.fromkeys(token for token in tokens if token not in self.tokens)
        return replace(self, tokens=(*self.tokens, *new))

    def encode(self, text: str) -> list[int]:
        """Token ids of a transcript; what is outside the vocabulary becomes the unknown token."""
        ids = {token: index for index, token in enumerate(self.tokens)}
        delimited = self.delimiter.join(text.split())
        encoded = (ids.get(character, self.unknown) for character in delimited)
        return [index for index in encoded if index is not None]

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of a CTC path: repeats merged, blanks dropped, delimiters as spaces."""
        kept: list[str] = []
        previous = self.blank
        for index in token_ids:
            if index not in (previous, self.blank):
                kept.append(self._written(int(index)))
            previous = index
        return " ".join("".join(kept).split())

    def spell(self, token_ids: Sequence[int]) -> str:
        """The text of a label sequence: every token counts, repeats are double letters."""
        return " ".join("".join(self._written(int(index)) for index in token_ids).split())

    def written_tokens(self) -> list[str]:
        """What each token id adds to the text: nothing, a space, or its character."""
        return [self._written(index) for index in range(len(self.tokens))]

    def _written(self, index: int) -> str:
        token = self.tokens[index]
        if token == self.delimiter:
            return " "
        silent = index in (self.blank, self.unknown) or (token[:1] == "<" and token[-1:] == ">")
        return "" if silent else token


def _tokenizer_options(folder: str | Path) -> dict:
    path = filesystem.join(folder, TOKENIZER_FILE)
    return filesystem.read_json_object(path) if filesystem.exists(path) else {}


def _token_text(token: str | dict) -> str:
    """Older tokenizer files hold a token as an object with its options."""
    return token["content"] if isinstance(token, dict) else token
