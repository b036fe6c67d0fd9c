"""The predictions table: one row for each utterance, artifact, padding and decoder.

What everything downstream is computed from, so that nothing of it runs a model again.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from models import filesystem
from models.normalisation import NormalisationName, normalise_text
from models.word_errors import align_words, count_character_errors

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS_FOLDER = "predictions"  # Parquet files, some for each decoder
GREEDY, BEAM = "greedy", "beam"
# Why an utterance was not scored; a crash says its error behind the colon.
TOO_LONG = "longer than the padding"
NOT_A_NUMBER = "the model gave NaN"
CRASHED = "the runtime failed: "
FAILURES = (NOT_A_NUMBER, CRASHED)


@dataclass(frozen=True)
class Prediction:
    """What one artifact heard in one utterance under one padding, and what that cost."""

    artifact: str
    variant: str
    utterance: str
    speaker: str
    subset: str
    gender: str
    audio_seconds: float
    reference: str
    decoder: str = GREEDY
    chapter: str = ""
    corpus: str = ""
    language: str = ""
    hypothesis: str = ""
    excluded: str = ""  # why it was not recognised; empty where it was
    alignment: str = ""  # a letter a word: C correct, S substituted, D deleted, I inserted
    character_errors: int = 0
    log_probability: float = 0.0  # of the path that was decoded
    windows: int = 0  # into how many parts a long utterance was cut
    compute_seconds: float = 0.0


_ARROW_TYPES = {"str": pa.string(), "int": pa.int64(), "float": pa.float64()}
PREDICTIONS_SCHEMA = pa.schema(
    [(field.name, _ARROW_TYPES[str(field.type)]) for field in dataclasses.fields(Prediction)]
)


def trial_name(artifact: str, variant: str, decoder: str = GREEDY) -> str:
    """What one artifact did under one padding: `saved_model/unpadded`, `…+beam`."""
    return f"{artifact}/{variant}" + ("" if decoder == GREEDY else f"+{decoder}")


def split_trial(trial: str) -> tuple[str, str, str]:
    """The artifact, variant and decoder of a trial's name."""
    artifact, _, rest = trial.partition("/")
    variant, _, decoder = rest.partition("+")
    return artifact, variant, decoder or GREEDY


def read_predictions(
    evaluation: str, trial: str | None = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """The predictions of an evaluation, of one trial or all, ordered by trial and utterance."""
    import pyarrow.parquet as parquet

    filters: Any = None
    if trial is not None:
        names = ("artifact", "variant", "decoder")
        filters = [(name, "==", part) for name, part in zip(names, split_trial(trial), strict=True)]
    folder = filesystem.join(evaluation, PREDICTIONS_FOLDER)
    parts = [
        parquet.read_table(
            io.BytesIO(filesystem.read_bytes(filesystem.join(folder, name))),
            columns=list(columns) if columns else None,
            filters=filters,
        )
        for name in filesystem.list_files(folder)
    ]
    table = pa.concat_tables(parts).to_pandas()
    keys = [key for key in ("artifact", "variant", "decoder", "utterance") if key in table]
    return table.sort_values(keys, ignore_index=True) if keys else table


def with_hypothesis(
    prediction: Prediction, heard: str, normalisation: NormalisationName
) -> Prediction:
    """The prediction with what was heard, normalised and aligned with its reference."""
    hypothesis = normalise_text(heard, normalisation)
    return dataclasses.replace(
        prediction,
        hypothesis=hypothesis,
        alignment=align_words(prediction.reference, hypothesis),
        character_errors=count_character_errors(prediction.reference, hypothesis),
    )


def predictions_prefix(evaluation: str, decoder: str) -> str:
    """How the paths of the files of a decoder's predictions start."""
    return filesystem.join(evaluation, PREDICTIONS_FOLDER, decoder)


def with_counts(predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows that were scored, with the words and word errors that their alignments stand for."""
    scored = predictions[predictions.excluded == ""]
    kinds = {
        name: scored.alignment.str.count(letter)
        for name, letter in (("substitutions", "S"), ("deletions", "D"), ("insertions", "I"))
    }
    return scored.assign(
        **kinds,
        errors=sum(kinds.values()),
        words=scored.alignment.str.len() - kinds["insertions"],
    )
