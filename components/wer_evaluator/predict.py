"""The Beam transforms that run an artifact over a split: one row for each utterance.

What comes out holds texts and alignments, so that everything downstream can be computed again
without running a model; and, for the trials that are decoded again, their log-probabilities.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf

from components.wer_evaluator.padding import Padding, StaticPadding, parse_variant
from components.wer_evaluator.predictions import (
    CRASHED,
    NOT_A_NUMBER,
    PREDICTIONS_SCHEMA,
    TOO_LONG,
    Prediction,
    trial_name,
    with_hypothesis,
)
from models.audio import pad_batch, pcm16_to_float
from models.normalisation import NormalisationName, normalise_text
from models.progress import report
from models.recognisers import Recognition, open_recogniser
from models.recognisers.windows import Windows, recognise_by_windows
from schemas import speech_example as names

log = logging.getLogger(__name__)

UTTERANCES_TOGETHER = 256
MAIN, LOG_PROBS = "predictions", "log_probs"
# A prediction with its log-probabilities, [frames, vocab] of little-endian float32.
LOG_PROBS_SCHEMA = pa.schema(
    [*PREDICTIONS_SCHEMA, pa.field("frames", pa.int64()), pa.field(LOG_PROBS, pa.binary())]
)


@dataclass(frozen=True)
class Trial:
    """One artifact under its paddings, over `utterances` utterances."""

    artifact: str
    path: str
    variants: tuple[str, ...]
    normalisation: NormalisationName
    batch_seconds: float
    utterances: int
    # How what does not fit is heard; None where it is excluded.
    overlap: int | None = None
    longest: int = 960_000
    kept_log_probs: tuple[str, ...] = ()  # names of trials


@dataclass(frozen=True)
class Spoken:
    """An utterance of the split, ready to be recognised."""

    id: str
    speaker: str
    subset: str
    gender: str
    reference: str
    waveform: np.ndarray
    chapter: str = ""
    corpus: str = ""
    language: str = ""


def predict(
    pipeline: beam.Pipeline,
    spoken: beam.PCollection[Spoken],
    trials: Sequence[Trial],
    predictions: str,
    log_probs: str,
) -> None:
    """Add every trial over the utterances to the pipeline; both outputs are Parquet prefixes."""
    # Large enough to find utterances of like length, small enough for memory.
    together = spoken | beam.BatchElements(UTTERANCES_TOGETHER, UTTERANCES_TOGETHER)
    ran = [
        together
        | f"Run[{trial.artifact}]" >> beam.ParDo(RunTrial(trial)).with_outputs(LOG_PROBS, main=MAIN)
        for trial in trials
    ]
    _ = (
        [outputs[MAIN] for outputs in ran]
        | "All" >> beam.Flatten()
        | "AsRow" >> beam.Map(dataclasses.asdict)
        | "Write"
        >> beam.io.WriteToParquet(predictions, PREDICTIONS_SCHEMA, file_name_suffix=".parquet")
    )
    if any(trial.kept_log_probs for trial in trials):
        _ = (
            [outputs[LOG_PROBS] for outputs in ran]
            | "AllLogProbs" >> beam.Flatten()
            | "WriteLogProbs"
            >> beam.io.WriteToParquet(log_probs, LOG_PROBS_SCHEMA, file_name_suffix=".parquet")
        )


def read_split(pipeline: beam.Pipeline, records: str) -> beam.PCollection[Spoken]:
    """The utterances of a split's TFRecord files."""
    return (
        pipeline | "Read" >> beam.io.ReadFromTFRecord(records) | "Parse" >> beam.Map(parse_record)
    )


class RunTrial(beam.DoFn):
    """Runs one trial; the artifact is loaded once a worker.

    A runtime that fails costs the utterances it failed on, each with the reason: the other trials
    go on, and the gate refuses.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._done = 0

    def setup(self) -> None:
        self._broken = ""
        try:
            self._recogniser = open_recogniser(self._trial.path)
        except Exception as error:
            self._broken = _reason(self._trial.artifact, error)
            self._paddings = [Padding(variant) for variant in self._trial.variants]
            return
        lengths = self._recogniser.static_lengths
        self._paddings = [
            StaticPadding(lengths=lengths) if lengths else parse_variant(variant)
            for variant in self._trial.variants
        ]

    def process(self, spoken: Sequence[Spoken]) -> Iterator[Any]:
        for padding in self._paddings:
            for samples, group in by_padded_length(spoken, padding, self._trial.longest).items():
                yield from self._run(group, samples, padding)

    def _run(self, group: list[Spoken], samples: int | None, padding: Padding) -> Iterator[Any]:
        if self._broken:
            yield from self._excluded(group, padding, self._broken)
        elif samples is not None:
            for batch in in_batches(group, samples, self._trial.batch_seconds):
                yield from self._recognised(batch, samples, padding)
                self._tell_progress(len(batch))
        elif self._trial.overlap is None:
            yield from self._excluded(group, padding, TOO_LONG)
        else:
            for one in group:
                yield from self._by_windows(one, padding, self._trial.overlap)
                self._tell_progress(1)

    def _recognised(self, batch: Sequence[Spoken], samples: int, padding: Padding) -> Iterator[Any]:
        started = time.monotonic()
        try:
            heard = self._recogniser.recognise(
                **pad_batch([one.waveform[:samples] for one in batch], samples), mask=padding.mask
            )
        except Exception as error:
            reason = _reason(self._trial.artifact, error)
            yield from self._excluded(batch, padding, reason)
            return
        seconds = (time.monotonic() - started) / len(batch)
        for one, recognition in zip(batch, heard, strict=True):
            yield from self._outcome(one, padding, recognition, seconds, windows=1)

    def _by_windows(self, spoken: Spoken, padding: Padding, overlap: int) -> Iterator[Any]:
        started = time.monotonic()
        samples = padding.longest or self._trial.longest
        windows = Windows(samples, min(overlap, samples // 2))
        try:
            heard = recognise_by_windows(
                self._recogniser, spoken.waveform, windows, mask=padding.mask
            )
        except Exception as error:
            yield from self._excluded([spoken], padding, _reason(self._trial.artifact, error))
            return
        seconds = time.monotonic() - started
        yield from self._outcome(spoken, padding, heard, seconds, heard.windows)

    def _outcome(
        self,
        spoken: Spoken,
        padding: Padding,
        recognition: Recognition,
        seconds: float,
        windows: int,
    ) -> Iterator[Any]:
        if np.isnan(recognition.log_probs).any():
            yield from self._excluded([spoken], padding, NOT_A_NUMBER)
            return
        heard = dataclasses.replace(
            self._unheard(spoken, padding),
            log_probability=float(recognition.log_probs.max(axis=-1).sum()),
            windows=windows,
            compute_seconds=seconds,
        )
        prediction = with_hypothesis(heard, recognition.text, self._trial.normalisation)
        yield from self._kept(prediction, recognition.log_probs)

    def _excluded(self, spoken: Sequence[Spoken], padding: Padding, reason: str) -> Iterator[Any]:
        for one in spoken:
            unheard = dataclasses.replace(self._unheard(one, padding), excluded=reason)
            yield from self._kept(unheard, np.zeros((0, 0)))

    def _kept(self, prediction: Prediction, log_probs: np.ndarray) -> Iterator[Any]:
        """The prediction, and where it is decoded again its log-probabilities beside it."""
        yield prediction
        if trial_name(prediction.artifact, prediction.variant) in self._trial.kept_log_probs:
            kept = {"frames": len(log_probs), LOG_PROBS: log_probs.astype("<f4").tobytes()}
            yield beam.pvalue.TaggedOutput(LOG_PROBS, dataclasses.asdict(prediction) | kept)

    def _unheard(self, spoken: Spoken, padding: Padding) -> Prediction:
        return Prediction(
            artifact=self._trial.artifact,
            variant=padding.name,
            utterance=spoken.id,
            speaker=spoken.speaker,
            chapter=spoken.chapter,
            corpus=spoken.corpus,
            subset=spoken.subset,
            language=spoken.language,
            gender=spoken.gender,
            audio_seconds=len(spoken.waveform) / names.SAMPLE_RATE,
            reference=normalise_text(spoken.reference, self._trial.normalisation),
        )

    def _tell_progress(self, recognised: int) -> None:
        self._done += recognised
        total = self._trial.utterances * len(self._paddings)
        report(f"Scoring {self._trial.artifact}", self._done, total)


def by_padded_length(
    batch: Sequence[Spoken], padding: Padding, longest: int
) -> dict[int | None, list[Spoken]]:
    """The utterances of each padded length; those that do not fit stand under None."""
    groups: dict[int | None, list[Spoken]] = defaultdict(list)
    for spoken in batch:
        samples = padding.padded_length(len(spoken.waveform))
        fits = samples is not None and (padding.longest is not None or samples <= longest)
        groups[samples if fits else None].append(spoken)
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
        chapter=text(names.CHAPTER_ID),
        corpus=text(names.CORPUS),
        subset=text(names.SUBSET),
        language=text(names.LANGUAGE),
        gender=text(names.GENDER),
        reference=text(names.TRANSCRIPT),
        waveform=pcm16_to_float(feature[names.AUDIO].bytes_list.value[0]),
    )


def _reason(artifact: str, error: Exception) -> str:
    log.exception("%s failed", artifact)
    line = str(error).strip().splitlines()[:1]
    return f"{CRASHED}{type(error).__name__}{': ' + line[0][:200] if line else ''}"
