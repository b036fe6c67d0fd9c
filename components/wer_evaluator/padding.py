"""The paddings under which a recogniser is scored.

>>> parse_variant("constant_246000_unmasked")
Padding(name='constant_246000_unmasked', constant=246000, mask='none')
>>> parse_variant("bucketed").padded_length(20_000)
32000
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.recognisers import Mask

# Utterances are padded up to the next multiple of one second.
BUCKET_SAMPLES = 16_000
# The TFLite files have a ladder of static lengths instead.
STATIC_VARIANT = "static"
CONSTANT = re.compile(r"constant_(\d+)(_unmasked|_unmasked_norm)?")
MASKS: dict[str | None, Mask] = {None: "full", "_unmasked": "none", "_unmasked_norm": "not_in_norm"}


@dataclass(frozen=True)
class Padding:
    """How far an utterance is padded, and whether the model is told."""

    name: str
    constant: int | None = None
    mask: Mask = "full"

    def padded_length(self, samples: int) -> int | None:
        """The padded length; None where the utterance does not fit."""
        if self.constant is not None:
            return self.constant if samples <= self.constant else None
        if self.name == "unpadded":
            return samples
        return -(-samples // BUCKET_SAMPLES) * BUCKET_SAMPLES


@dataclass(frozen=True)
class StaticPadding(Padding):
    """Up to the next of the lengths an artifact was compiled for."""

    name: str = STATIC_VARIANT
    lengths: tuple[int, ...] = ()

    def padded_length(self, samples: int) -> int | None:
        return next((length for length in sorted(self.lengths) if samples <= length), None)


def parse_variant(name: str) -> Padding:
    """The padding of that name."""
    if name in ("unpadded", "bucketed"):
        return Padding(name)
    constant = CONSTANT.fullmatch(name)
    if constant is None or not int(constant[1]):
        raise ValueError(
            f"evaluation.variants: there is no padding {name!r}; known are unpadded, bucketed, "
            "constant_<samples>, constant_<samples>_unmasked and constant_<samples>_unmasked_norm"
        )
    return Padding(name, constant=int(constant[1]), mask=MASKS[constant[2]])
