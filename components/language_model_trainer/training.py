"""The Beam transforms that turn speech examples into an n-gram language model.

Memory grows with the different n-grams, not with the utterances.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass

import apache_beam as beam
import tensorflow as tf

from components.language_model_trainer.config import LanguageModelConfig
from models import filesystem
from models.language_model import LANGUAGE_MODEL_FILE, NgramCounts, write_arpa
from models.normalisation import normalise_text
from schemas import speech_example as names

TOTALS_FILE = "totals.json"


@dataclass(frozen=True)
class Totals:
    """How much text a model was trained on."""

    sentences: int
    words: int  # different ones


def train(pipeline: beam.Pipeline, records: str, config: LanguageModelConfig, to: str) -> None:
    """Add the training to the pipeline; the model and its totals go to the folder `to`."""
    _ = (
        pipeline
        | "Read" >> beam.io.ReadFromTFRecord(records)
        | "Transcript" >> beam.Map(transcript_of)
        | "Normalise" >> beam.Map(normalise_text, config.normalisation)
        | "Count" >> beam.CombineGlobally(CountNgrams(config.order))
        | "Write" >> beam.Map(_write, to)
    )


class CountNgrams(beam.CombineFn):
    """Adds up the n-grams of sentences."""

    def __init__(self, order: int) -> None:
        self._order = order

    def create_accumulator(self) -> NgramCounts:
        return NgramCounts(self._order)

    def add_input(self, counts: NgramCounts, transcript: str) -> NgramCounts:
        counts.add(transcript)
        return counts

    def merge_accumulators(self, parts: Iterable[NgramCounts]) -> NgramCounts:
        merged = self.create_accumulator()
        for part in parts:
            merged.merge(part)
        return merged

    def extract_output(self, counts: NgramCounts) -> NgramCounts:
        return counts


def transcript_of(record: bytes) -> str:
    """The transcript of a serialized speech example."""
    feature = tf.train.Example.FromString(record).features.feature
    return feature[names.TRANSCRIPT].bytes_list.value[0].decode("utf-8")


def read_totals(folder: str) -> Totals:
    """What the model in the folder was trained on."""
    return Totals(**filesystem.read_json_object(filesystem.join(folder, TOTALS_FILE)))


def _write(counts: NgramCounts, folder: str) -> None:
    totals = Totals(sentences=counts.sentences, words=len(counts.words))
    # Without a sentence there is no model; the executor says so, as Beam would garble the error.
    if totals.sentences:
        write_arpa(counts, filesystem.join(folder, LANGUAGE_MODEL_FILE))
    filesystem.write_text(
        filesystem.join(folder, TOTALS_FILE), json.dumps(dataclasses.asdict(totals))
    )
