"""What the forerunner's protocol loses, cause by cause.

It padded everything to a constant, hid nothing of that from the network, and cut or dropped what
did not fit. Each step here adds one of those causes to the ones before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from components.wer_evaluator.evaluation import PaddingCause
from models.word_errors import ErrorCounts, count_word_errors

if TYPE_CHECKING:
    import pandas as pd

# The variant of each cause that needs a run of its own, in the order in which they add up.
ENDINGS_OF_CAUSES = {
    "unmasked_norm": "group norm over the padding",
    "unmasked": "no mask for attention and positions",
    "forerunner": "longer audio cut",
}
# Of these, the ones that nobody asks for but to explain.
ENDINGS_TO_EXPLAIN = ("_unmasked_norm", "_forerunner")
LABEL_CHARACTERS = 256
FEWEST_WORDS = 3
PredictionsOf = Callable[[str], "pd.DataFrame"]


def variants_to_explain(samples: int) -> tuple[str, ...]:
    """The paddings whose predictions the explanation is computed from."""
    constant = f"constant_{samples}"
    return ("unpadded", constant, *(f"{constant}_{ending}" for ending in ENDINGS_OF_CAUSES))


def explain_padding(predictions_of: PredictionsOf, samples: int) -> list[PaddingCause]:
    """The errors of the unpadded run, then with each cause added to those before.

    `predictions_of` gives one variant's rows.
    """
    constant = f"constant_{samples}"
    causes = [
        _cause("unpadded", predictions_of("unpadded")),
        _cause(f"padded to {samples} samples, masked", predictions_of(constant)),
    ]
    for ending, cause in ENDINGS_OF_CAUSES.items():
        causes.append(_cause(cause, predictions_of(f"{constant}_{ending}")))
    as_published = predictions_of(f"{constant}_forerunner")
    cut = as_published.assign(reference=as_published.reference.str[:LABEL_CHARACTERS])
    causes.append(_cause(f"labels cut at {LABEL_CHARACTERS} characters", cut))
    long_enough = cut[cut.reference.str.split().str.len() >= FEWEST_WORDS]
    causes.append(_cause("one- and two-word transcripts dropped", long_enough))
    return causes


def _cause(cause: str, rows: pd.DataFrame) -> PaddingCause:
    scored = rows[rows.excluded == ""]
    pairs = zip(scored.reference, scored.hypothesis, strict=True)
    counts = sum((count_word_errors(*pair) for pair in pairs), start=ErrorCounts())
    return PaddingCause(cause, len(scored), counts.length, counts.errors)
