"""The Beam transforms that run an artifact over a split: one row for each utterance.

What comes out holds texts and counts, so that everything downstream can be computed again without
running a model.
"""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.wer_evaluator.padding import Padding, StaticPadding, parse_variant
from components.wer_evaluator.predictions import PREDICTIONS_SCHEMA, Prediction
from models.audio import pad_batch, pcm16_to_float
from models.normalisation import NormalisationName, normalise_text
from models.progress import report
from models.recognisers import open_recogniser
from models.word_errors import count_character_errors, count_word_errors
from schemas import speech_example as names

TOO_LONG = "longer than the padding"
UTTERANCES_TOGETHER = 256


@dataclass(frozen=True)
class Trial:
    """One artifact under its paddings, over `utterances` utterances."""

    artifact: str
    path: str
    variants: tuple[str, ...]
    normalisation: NormalisationName
    batch_seconds: float
    utterances: int


@dataclass(frozen=True)
class Spoken:
    """An utterance of the split, ready to be recognised."""

    id: str
    speaker: str
    subset: str
    gender: str
    reference: str
    waveform: np.ndarray


def predict(pipeline: beam.Pipeline, records: str, trials: Sequence[Trial], to: str) -> None:
    """Add every trial over the records to the pipeline; predictions go to the Parquet file `to`."""
    spoken = (
        pipeline
        | "Read" >> beam.io.ReadFromTFRecord(records)
        | "Parse" >> beam.Map(parse_record)
        # Large enough to find utterances of like length, small enough for memory.
        | "Together" >> beam.BatchElements(UTTERANCES_TOGETHER, UTTERANCES_TOGETHER)
    )
    rows = [spoken | f"Run[{trial.artifact}]" >> beam.ParDo(RunTrial(trial)) for trial in trials]
    _ = (
        rows
        | "All" >> beam.Flatten()
        | "AsRow" >> beam.Map(dataclasses.asdict)
        | "Write" >> beam.io.WriteToParquet(to, PREDICTIONS_SCHEMA, shard_name_template="")
    )


class RunTrial(beam.DoFn):
    """Runs one trial; the artifact is loaded once a worker."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._done = 0

    def setup(self) -> None:
        self._recogniser = open_recogniser(self._trial.path)
        lengths = self._recogniser.static_lengths
        self._paddings = [
            StaticPadding(lengths=lengths) if lengths else parse_variant(variant)
            for variant in self._trial.variants
        ]

    def process(self, spoken: Sequence[Spoken]) -> Iterator[Prediction]:
        for padding in self._paddings:
            for samples, group in by_padded_length(spoken, padding).items():
                if samples is None:
                    yield from (self._excluded(one, padding) for one in group)
                    continue
                for batch in in_batches(group, samples, self._trial.batch_seconds):
                    yield from self._recognised(batch, samples, padding)
                    self._tell_progress(len(batch))

    def _recognised(
        self, batch: Sequence[Spoken], samples: int, padding: Padding
    ) -> Iterator[Prediction]:
        started = time.monotonic()
        heard = self._recogniser.recognise(
            **pad_batch([one.waveform for one in batch], samples), mask=padding.mask
        )
        seconds = (time.monotonic() - started) / len(batch)
        for one, recognition in zip(batch, heard, strict=True):
            yield self._prediction(one, padding, recognition.text, seconds)

    def _prediction(
        self, spoken: Spoken, padding: Padding, heard: str, seconds: float
    ) -> Prediction:
        reference = normalise_text(spoken.reference, self._trial.normalisation)
        hypothesis = normalise_text(heard, self._trial.normalisation)
        words = count_word_errors(reference, hypothesis)
        characters = count_character_errors(reference, hypothesis)
        return Prediction(
            **self._identity(spoken, padding),
            reference=reference,
            hypothesis=hypothesis,
            excluded="",
            substitutions=words.substitutions,
            deletions=words.deletions,
            insertions=words.insertions,
            words=words.length,
            character_errors=characters.errors,
            characters=characters.length,
            compute_seconds=seconds,
        )

    def _excluded(self, spoken: Spoken, padding: Padding) -> Prediction:
        return Prediction(
            **self._identity(spoken, padding),
            reference=normalise_text(spoken.reference, self._trial.normalisation),
            excluded=TOO_LONG,
        )

    def _identity(self, spoken: Spoken, padding: Padding) -> dict[str, Any]:
        return {
            "artifact": self._trial.artifact,
            "variant": padding.name,
            "utterance": spoken.id,
            "speaker": spoken.speaker,
            "subset": spoken.subset,
            "gender": spoken.gender,
            "audio_seconds": len(spoken.waveform) / names.SAMPLE_RATE,
        }

    def _tell_progress(self, recognised: int) -> None:
        self._done += recognised
        total = self._trial.utterances * len(self._paddings)
        report(f"Scoring {self._trial.artifact}", self._done, total)


def by_padded_length(batch: Sequence[Spoken], padding: Padding) -> dict[int | None, list[Spoken]]:
    """The utterances of each padded length; those that do not fit stand under None."""
    groups: dict[int | None, list[Spoken]] = defaultdict(list)
    for spoken in batch:
        groups[padding.padded_length(len(spoken.waveform))].append(spoken)
    return groups


def in_batches(spoken: list[Spoken], samples: int, batch_seconds: float) -> Iterator[list[Spoken]]:
    """As many utterances at once as that much padded audio allows, but at least one."""
    size = max(1, int(batch_seconds * names.SAMPLE_RATE / samples))
    for start in range(0, len(spoken), size):
        yield spoken[start : start + size]


def parse_record(record: bytes) -> Spoken:
    """A serialized speech example as what the evaluator needs of it."""
    feature = tf.train.Example.FromString(record).features.feature

    def text(name: str) -> str:
        return feature[name].bytes_list.value[0].decode("utf-8")

    return Spoken(
        id=text(names.UTTERANCE_ID),
        speaker=text(names.SPEAKER_ID),
        subset=text(names.SUBSET),
        gender=text(names.GENDER),
        reference=text(names.TRANSCRIPT),
        waveform=pcm16_to_float(feature[names.AUDIO].bytes_list.value[0]),
    )
