"""The predictions table: one row for each utterance, artifact and padding."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from models import filesystem

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS_FILE = "predictions.parquet"


@dataclass(frozen=True)
class Prediction:
    """What one artifact heard in one utterance under one padding, and what that costs."""

    artifact: str
    variant: str
    utterance: str
    speaker: str
    subset: str
    gender: str
    audio_seconds: float
    reference: str
    hypothesis: str = ""
    excluded: str = ""  # why it was not recognised; empty where it was
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    words: int = 0
    character_errors: int = 0
    characters: int = 0
    compute_seconds: float = 0.0


_ARROW_TYPES = {"str": pa.string(), "int": pa.int64(), "float": pa.float64()}
PREDICTIONS_SCHEMA = pa.schema(
    [(field.name, _ARROW_TYPES[str(field.type)]) for field in dataclasses.fields(Prediction)]
)


def scored_by(predictions: pd.DataFrame, trial: str) -> pd.DataFrame:
    """The rows that a trial was scored on, with the word errors of each as `errors`."""
    rows = predictions[predictions.artifact + "/" + predictions.variant == trial]
    scored = rows[rows.excluded == ""]
    return scored.assign(errors=scored.substitutions + scored.deletions + scored.insertions)


def read_predictions(evaluation: str) -> pd.DataFrame:
    """The predictions of an evaluation, in an order that does not depend on the workers."""
    import pyarrow.parquet as parquet

    content = filesystem.read_bytes(filesystem.join(evaluation, PREDICTIONS_FILE))
    table = parquet.read_table(io.BytesIO(content)).to_pandas()
    return table.sort_values(["artifact", "variant", "utterance"], ignore_index=True)
