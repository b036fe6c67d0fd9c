"""Text normalisations by name, as data: one for transcripts in the Transform graph and for scoring.

Each is a case and replacements in order, applied by TensorFlow's RE2 in a graph and by Python's
`re` elsewhere; the patterns are kept to what both read alike.

>>> normalise_text("Twenty-one,  don't!", "librispeech")
"TWENTY ONE DON'T"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import tensorflow as tf

NormalisationName = Literal["none", "librispeech", "lower"]
# Written out: \s means more to Python than to RE2.
SPACES = r"[ \t\n\f\r\v]+"


@dataclass(frozen=True)
class Normalisation:
    """Case first, then each pattern by its replacement; spaces are always made single."""

    case: Literal["keep", "upper", "lower"] = "keep"
    replacements: tuple[tuple[str, str], ...] = ()


NORMALISATIONS: dict[NormalisationName, Normalisation] = {
    "none": Normalisation(),
    # What LibriSpeech's own transcripts look like: capitals, apostrophes and spaces.
    "librispeech": Normalisation("upper", ((r"-", " "), (rf"{SPACES}", " "), (r"[^A-Z' ]", ""))),
    "lower": Normalisation("lower"),
}


def normalise_text(text: str, name: NormalisationName) -> str:
    """One transcript, normalised; single spaces between words."""
    normalisation = NORMALISATIONS[name]
    if normalisation.case != "keep":
        text = text.upper() if normalisation.case == "upper" else text.lower()
    for pattern, replacement in normalisation.replacements:
        text = re.sub(pattern, replacement, text)
    return re.sub(SPACES, " ", text).strip(" ")


def normalise_batch_of_text(texts: tf.Tensor, name: NormalisationName) -> tf.Tensor:
    """The same in TF ops. [batch]"""
    import tensorflow as tf

    normalisation = NORMALISATIONS[name]
    if normalisation.case != "keep":
        change = tf.strings.upper if normalisation.case == "upper" else tf.strings.lower
        texts = change(texts, "utf-8")
    for pattern, replacement in normalisation.replacements:
        texts = tf.strings.regex_replace(texts, pattern, replacement)
    return tf.strings.strip(tf.strings.regex_replace(texts, SPACES, " "))
