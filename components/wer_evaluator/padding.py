"""The paddings under which a recogniser is scored.

>>> parse_variant("constant_246000_unmasked")
Padding(name='constant_246000_unmasked', constant=246000, mask='none', cuts=False)
>>> parse_variant("bucketed").padded_length(20_000)
32000
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.padding_mask import Mask

# Utterances are padded up to the next multiple of one second.
BUCKET_SAMPLES = 16_000
# The TFLite files have a ladder of static lengths instead.
STATIC_VARIANT = "static"
# What may follow `constant_<samples>`, and what the model is then told of the padding. The last is
# the forerunner's protocol to the letter: longer audio is cut as well.
ENDINGS: dict[str, Mask] = {
    "": "full",
    "_unmasked_norm": "not_in_norm",
    "_unmasked": "none",
    "_forerunner": "none",
}
CONSTANT = re.compile(rf"constant_(\d+)({'|'.join(ENDINGS)})")


@dataclass(frozen=True)
class Padding:
    """How far an utterance is padded, and what the model is told of that."""

    name: str
    constant: int | None = None
    mask: Mask = "full"
    cuts: bool = False

    def padded_length(self, samples: int) -> int | None:
        """The padded length; None where the utterance does not fit."""
        if self.constant is not None:
            return self.constant if self.cuts or samples <= self.constant else None
        if self.name == "unpadded":
            return samples
        return -(-samples // BUCKET_SAMPLES) * BUCKET_SAMPLES

    @property
    def longest(self) -> int | None:
        """What fits at most; None where there is no end."""
        return self.constant


@dataclass(frozen=True)
class StaticPadding(Padding):
    """Up to the next of the lengths an artifact was compiled for."""

    name: str = STATIC_VARIANT
    lengths: tuple[int, ...] = ()

    def padded_length(self, samples: int) -> int | None:
        return next((length for length in sorted(self.lengths) if samples <= length), None)

    @property
    def longest(self) -> int | None:
        return max(self.lengths)


def parse_variant(name: str) -> Padding:
    """The padding of that name."""
    if name in ("unpadded", "bucketed"):
        return Padding(name)
    constant = CONSTANT.fullmatch(name)
    if constant is None or not int(constant[1]):
        known = ", ".join(f"constant_<samples>{ending}" for ending in ENDINGS)
        raise ValueError(
            f"evaluation.variants: there is no padding {name!r}; known are unpadded, bucketed, "
            f"{known}"
        )
    ending = constant[2]
    return Padding(name, int(constant[1]), ENDINGS[ending], cuts=ending == "_forerunner")
