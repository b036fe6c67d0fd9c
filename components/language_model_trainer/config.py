"""Which transcripts train the language model, and how much history it has."""

from __future__ import annotations

from dataclasses import dataclass

from models.language_model import LONGEST_ORDER
from models.normalisation import NormalisationName


@dataclass(frozen=True)
class LanguageModelConfig:
    """An n-gram of `order` words: each is predicted from the `order - 1` before it."""

    order: int = 3  # words of the longest n-gram
    normalisation: NormalisationName = "librispeech"  # as the recogniser's own transcripts

    def __post_init__(self) -> None:
        if not 1 <= self.order <= LONGEST_ORDER:
            raise ValueError(
                f"language_model.order must lie between 1 and {LONGEST_ORDER}, not {self.order}"
            )
