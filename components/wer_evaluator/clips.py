"""Recordings of the worst utterances, so that a reader of the report can listen to them."""

from __future__ import annotations

import io

import apache_beam as beam
import numpy as np

from components.wer_evaluator.evaluation import CLIPS_SCHEMA
from components.wer_evaluator.predict import Spoken
from components.wer_evaluator.predictions import read_predictions, with_counts
from schemas import speech_example as names

CLIPS = 24  # a few more than a report shows
LONGEST_SECONDS = 30


def worst_utterances(evaluation: str, trial: str) -> list[str]:
    """The utterances that a trial made most errors in."""
    columns = ("utterance", "alignment", "excluded")
    rows = with_counts(read_predictions(evaluation, trial, columns))
    wrong = rows[rows.errors > 0].sort_values(["errors", "utterance"], ascending=[False, True])
    return wrong.utterance.head(CLIPS).tolist()


def keep_clips(spoken: beam.PCollection[Spoken], wanted: list[str], to: str) -> None:
    """Add to the pipeline what writes the wanted recordings to one Parquet file."""
    _ = (
        spoken
        | "Wanted" >> beam.Filter(lambda one: one.id in wanted)
        | "AsMp3" >> beam.Map(lambda one: {"utterance": one.id, "mp3": as_mp3(one.waveform)})
        | "WriteClips" >> beam.io.WriteToParquet(to, CLIPS_SCHEMA, shard_name_template="")
    )


def as_mp3(waveform: np.ndarray) -> bytes:
    """The recording as MP3: small, and every browser plays it."""
    import soundfile

    buffer = io.BytesIO()
    samples = waveform[: LONGEST_SECONDS * names.SAMPLE_RATE]
    soundfile.write(buffer, samples, names.SAMPLE_RATE, format="MP3")
    return buffer.getvalue()
