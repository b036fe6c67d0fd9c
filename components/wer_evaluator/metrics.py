"""Speech recognition errors as a TensorFlow Model Analysis metric.

    metrics { class_name: "SpeechErrors" module: "components.wer_evaluator.metrics" }

Labels and predictions are strings: references and hypotheses, one or several an example. Where an
example has them, these features are used too: `speaker` (what the confidence interval resamples),
`audio_seconds`, `compute_seconds`, `excluded` (why a hypothesis is missing) and `failed`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.metrics import metric_types

from components.wer_evaluator.interval import wer_interval
from models.word_errors import count_character_errors, count_word_errors

# What is summed over utterances, in the order of an accumulator's columns.
SUMS = (
    "substitutions",
    "deletions",
    "insertions",
    "words",
    "character_errors",
    "characters",
    "wrong_utterances",
    "utterances",
    "excluded",
    "failed",
    "audio_seconds",
    "compute_seconds",
)
RATES = ("wer", "wer_low", "wer_high", "cer", "sentence_error_rate", "real_time_factor")
METRICS = (*SUMS, "speakers", *RATES)
# Into so many parts each speaker's utterances fall, for where there are few speakers.
BLOCKS = 16

# The sums of each speaker's blocks. [blocks, sums]
Accumulator = dict[str, np.ndarray]


class SpeechErrors(metric_types.Metric):
    """Word, character and sentence errors with the WER's interval, each as a metric of its own."""

    def __init__(self, name: str = "speech_errors") -> None:
        super().__init__(speech_errors, name=name)


metric_types.register_metric(SpeechErrors)


def speech_errors(
    name: str = "speech_errors", model_names: list[str] | None = None, **_: Any
) -> metric_types.MetricComputations:
    """One computation for each model; every metric comes out of the same sums."""
    return [
        metric_types.MetricComputation(
            keys=[],
            preprocessors=[CountErrors()],
            combiner=SumErrors(model_name),
        )
        for model_name in model_names or [""]
    ]


class CountErrors(metric_types.Preprocessor):
    """Aligns each pair once, however many slices it falls into."""

    def process(self, extracts: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
        features = extracts.get(constants.FEATURES_KEY) or {}
        references = _flat(extracts[constants.LABELS_KEY])
        hypotheses = _flat(extracts[constants.PREDICTIONS_KEY])
        excluded = _flat(features.get("excluded", np.full(len(references), "")))
        failed = _flat(features.get("failed", np.zeros(len(references))))
        audio = _flat(features.get("audio_seconds", np.zeros(len(references))))
        compute = _flat(features.get("compute_seconds", np.zeros(len(references))))
        blocks = np.zeros((BLOCKS, len(SUMS)))
        for index, reference in enumerate(references):
            if excluded[index]:
                blocks[0, SUMS.index("excluded")] += 1
                blocks[0, SUMS.index("failed")] += failed[index]
                continue
            counts = _count(_text(reference), _text(hypotheses[index]))
            # Of the text, not of the order: the same however the data is sharded.
            block = zlib.crc32(_text(reference).encode()) % BLOCKS
            blocks[block] += (*counts, 1, 0, 0, audio[index], compute[index])
        speaker = _flat(features.get("speaker", [""]))
        yield _text(speaker[0]) if len(speaker) else "", blocks


@beam.typehints.with_input_types(Any)
class SumErrors(beam.CombineFn):
    """Adds up by speaker, so that memory does not grow with the utterances."""

    def __init__(self, model_name: str) -> None:
        self._model_name = model_name

    def create_accumulator(self) -> Accumulator:
        return {}

    def add_input(self, accumulator: Accumulator, counted: Any) -> Accumulator:
        speaker, blocks = counted
        return self.merge_accumulators([accumulator, {speaker: blocks}])

    def merge_accumulators(self, accumulators: Iterable[Accumulator]) -> Accumulator:
        parts = iter(accumulators)
        merged = next(parts)
        for part in parts:
            for speaker, blocks in part.items():
                merged[speaker] = merged[speaker] + blocks if speaker in merged else blocks
        return merged

    def extract_output(self, accumulator: Accumulator) -> dict[metric_types.MetricKey, float]:
        return {
            metric_types.MetricKey(name=name, model_name=self._model_name): value
            for name, value in metrics_of(accumulator).items()
        }


def metrics_of(accumulator: Accumulator) -> dict[str, float]:
    """Every metric by name."""
    speakers = [blocks for _, blocks in sorted(accumulator.items())]
    stacked = np.stack(speakers) if speakers else np.zeros((1, BLOCKS, len(SUMS)))
    sums = dict(zip(SUMS, stacked.sum(axis=(0, 1)).tolist(), strict=True))
    heard = int((stacked[:, :, SUMS.index("utterances")].sum(axis=1) > 0).sum())
    errors = stacked[:, :, :3].sum(axis=2)  # [speakers, blocks]
    words = stacked[:, :, SUMS.index("words")]
    low, high = wer_interval(errors, words)
    return {
        **sums,
        "speakers": float(heard),
        "wer": _ratio(float(errors.sum()), sums["words"]),
        "wer_low": low,
        "wer_high": high,
        "cer": _ratio(sums["character_errors"], sums["characters"]),
        "sentence_error_rate": _ratio(sums["wrong_utterances"], sums["utterances"]),
        "real_time_factor": _ratio(sums["compute_seconds"], sums["audio_seconds"]),
    }


def _count(reference: str, hypothesis: str) -> tuple[int, int, int, int, int, int, int]:
    words = count_word_errors(reference, hypothesis)
    return (
        words.substitutions,
        words.deletions,
        words.insertions,
        words.length,
        count_character_errors(reference, hypothesis),
        len(reference),
        int(words.errors > 0),
    )


def _flat(values: Any) -> np.ndarray:
    return np.asarray(values).ravel()


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
