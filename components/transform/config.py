"""How transcripts become labels and utterances become buckets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.normalisation import GraphNormalisationName


@dataclass(frozen=True)
class TextConfig:
    """`checkpoint` keeps the alphabet the checkpoint brings; `fit` learns one from the data."""

    # What is done to transcripts before they are labels: `librispeech` leaves capitals, apostrophes
    # and spaces, `lower` makes lower case, `none` only single spaces.
    normalisation: GraphNormalisationName = "librispeech"
    # Whose letters are learnt: the checkpoint's, or those of the train split, with a new head.
    vocabulary: Literal["checkpoint", "fit"] = "checkpoint"
    # Ten waste under a tenth on lengths such as LibriSpeech's; each is one more shape to compile.
    duration_buckets: int = 10
