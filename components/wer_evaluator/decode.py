"""The Beam transform that decodes stored log-probabilities again, with a beam search."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import apache_beam as beam
import numpy as np

from components.wer_evaluator.predict import LOG_PROBS
from components.wer_evaluator.predictions import (
    BEAM,
    PREDICTIONS_SCHEMA,
    Prediction,
    with_hypothesis,
)
from models.beam_search import BeamDecoder, BeamSearchConfig
from models.normalisation import NormalisationName
from models.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class Search:
    """What a beam search is done with."""

    vocabulary: Vocabulary
    config: BeamSearchConfig
    language_model: str | None
    normalisation: NormalisationName


def decode(pipeline: beam.Pipeline, log_probs: str, search: Search, predictions: str) -> None:
    """Add to the pipeline what decodes the Parquet files of log-probabilities once more."""
    _ = (
        pipeline
        | "ReadLogProbs" >> beam.io.ReadFromParquet(log_probs)
        | "Search" >> beam.ParDo(DecodeAgain(search))
        | "AsRow" >> beam.Map(dataclasses.asdict)
        | "Write"
        >> beam.io.WriteToParquet(predictions, PREDICTIONS_SCHEMA, file_name_suffix=".parquet")
    )


class DecodeAgain(beam.DoFn):
    """From a greedy prediction with its log-probabilities to the beam search's."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def setup(self) -> None:
        search = self._search
        self._decoder = BeamDecoder(search.vocabulary, search.config, search.language_model)

    def process(self, row: dict[str, Any]):
        flat, frames = np.frombuffer(row.pop(LOG_PROBS), "<f4"), row.pop("frames")
        greedy = Prediction(**row)
        if greedy.excluded:
            yield dataclasses.replace(greedy, decoder=BEAM)
            return
        log_probs = flat.reshape(frames, len(self._search.vocabulary.tokens))
        started = time.monotonic()
        decoded = self._decoder.decode(log_probs)
        again = dataclasses.replace(
            greedy,
            decoder=BEAM,
            log_probability=decoded.log_probability,
            compute_seconds=greedy.compute_seconds + time.monotonic() - started,
        )
        yield with_hypothesis(again, decoded.text, self._search.normalisation)
