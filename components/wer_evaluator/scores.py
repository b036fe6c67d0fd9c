"""From predictions to scores: error rates of each trial, whole and by slice."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models import filesystem
from models.word_errors import ErrorCounts

if TYPE_CHECKING:
    import pandas as pd

SCORES_FILE = "scores.json"
SLICED_BY = ("speaker", "gender", "subset")


@dataclass(frozen=True)
class Score:
    """The errors of one trial over one slice; `slice` is empty for all of it."""

    artifact: str
    variant: str
    slice: str
    utterances: int
    excluded: int
    audio_seconds: float
    compute_seconds: float
    substitutions: int
    deletions: int
    insertions: int
    words: int
    character_errors: int
    characters: int
    wrong_utterances: int

    @property
    def trial(self) -> str:
        return f"{self.artifact}/{self.variant}"

    @property
    def word_errors(self) -> ErrorCounts:
        return ErrorCounts(self.substitutions, self.deletions, self.insertions, self.words)

    @property
    def wer(self) -> float:
        return self.word_errors.rate

    @property
    def cer(self) -> float:
        return self.character_errors / self.characters if self.characters else math.nan

    @property
    def times_real_time(self) -> float:
        """Seconds of audio recognised in one second."""
        return self.audio_seconds / self.compute_seconds if self.compute_seconds else math.nan


def score_predictions(predictions: pd.DataFrame) -> list[Score]:
    """Every trial as a whole, then its slices."""
    scores = []
    for (artifact, variant), rows in predictions.groupby(["artifact", "variant"], sort=True):
        for name, part in _slices(rows):
            scores.append(_score(artifact, variant, name, part))
    return scores


def whole(scores: list[Score]) -> list[Score]:
    """Only the scores over the whole split."""
    return [score for score in scores if not score.slice]


def write_scores(scores: list[Score], evaluation: str) -> None:
    rows = [dataclasses.asdict(score) | {"wer": or_none(score.wer)} for score in scores]
    text = json.dumps(rows, indent=1, allow_nan=False)
    filesystem.write_text(filesystem.join(evaluation, SCORES_FILE), text)


def read_scores(evaluation: str) -> list[Score]:
    """The scores of an evaluation."""
    rows = json.loads(filesystem.read_text(filesystem.join(evaluation, SCORES_FILE)))
    return [score_of(row) for row in rows]


def score_of(row: dict[str, Any]) -> Score:
    """A score back from its JSON, which holds the rates as well."""
    return Score(**{field.name: row[field.name] for field in dataclasses.fields(Score)})


def _slices(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield "", rows
    for column in SLICED_BY:
        for value, part in rows.groupby(column, sort=True):
            yield f"{column}:{value}", part


def _score(artifact: str, variant: str, slice_name: str, rows: pd.DataFrame) -> Score:
    scored = rows[rows.excluded == ""]
    errors = scored.substitutions + scored.deletions + scored.insertions
    return Score(
        artifact=artifact,
        variant=variant,
        slice=slice_name,
        utterances=len(scored),
        excluded=len(rows) - len(scored),
        audio_seconds=float(scored.audio_seconds.sum()),
        compute_seconds=float(scored.compute_seconds.sum()),
        substitutions=int(scored.substitutions.sum()),
        deletions=int(scored.deletions.sum()),
        insertions=int(scored.insertions.sum()),
        words=int(scored.words.sum()),
        character_errors=int(scored.character_errors.sum()),
        characters=int(scored.characters.sum()),
        wrong_utterances=int((errors > 0).sum()),
    )


def percent(rate: float) -> str:
    """A rate as people read it; a dash where it is not a number."""
    return "–" if math.isnan(rate) else f"{100 * rate:.2f} %"


def or_none(rate: float) -> float | None:
    """A rate as JSON can hold it."""
    return None if math.isnan(rate) else rate
