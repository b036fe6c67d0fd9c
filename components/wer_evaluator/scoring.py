"""From predictions to scores through TensorFlow Model Analysis: whole and by slice.

Memory does not grow with the predictions: tables are read in parts, and what TFMA is handed is
not a row but all rows of a part that fall into the same slices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.extractors.slice_key_extractor import SliceKeyExtractor
from tensorflow_model_analysis.proto import config_pb2

from components.wer_evaluator import metrics
from components.wer_evaluator.predictions import FAILURES, GREEDY
from components.wer_evaluator.scores import Score
from components.wer_evaluator.slices import describe_slice, duration_bucket, words_bucket

TFMA_FOLDER = "tfma"
PLAIN_PADDINGS = ("unpadded", "bucketed")
TRIAL_FEATURES = ("artifact", "variant", "decoder")
ROWS_TOGETHER = 65_536
OF_EACH_ROW = ("audio_seconds", "compute_seconds", "excluded", "failed")
COUNTS = tuple(name for name in metrics.SUMS if not name.endswith("_seconds"))


def evaluate_predictions(
    pipeline: beam.Pipeline, files: str, slices: Sequence[Sequence[str]], output: str
) -> None:
    """Add to the pipeline what scores the Parquet files and writes TFMA's results to `output`."""
    config = eval_config(slices)
    evaluations = (
        pipeline
        | "ReadPredictions" >> beam.io.ReadFromParquetBatched(files)
        | "InParts" >> beam.FlatMap(lambda table: table.to_batches(ROWS_TOGETHER))
        | "AsExtracts" >> beam.FlatMap(as_extracts, sliced_by(slices))
        | "Evaluate"
        >> tfma.ExtractAndEvaluate(
            extractors=[SliceKeyExtractor(eval_config=config)],
            evaluators=tfma.default_evaluators(eval_config=config),
        )
    )
    writers = tfma.default_writers(output_path=output, eval_config=config)
    _ = evaluations | "WriteScores" >> tfma.WriteResults(writers=writers)


def eval_config(slices: Sequence[Sequence[str]]) -> config_pb2.EvalConfig:
    """Every trial as a whole and by each slice."""
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(label_key="reference", prediction_key="hypothesis")],
        slicing_specs=[
            config_pb2.SlicingSpec(feature_keys=[*TRIAL_FEATURES, *features])
            for features in ((), *slices)
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(
                        class_name=metrics.SpeechErrors.__name__, module=metrics.__name__
                    )
                ]
            )
        ],
    )


def sliced_by(slices: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The features that rows handed over together must share; speakers are what is resampled."""
    named = {feature for features in slices for feature in features}
    return (*TRIAL_FEATURES, *sorted(named | {"speaker"}))


def as_extracts(batch: pa.RecordBatch, features: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One TFMA extract for all rows that share the features."""
    columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
    columns["duration"] = [duration_bucket(seconds) for seconds in columns["audio_seconds"]]
    columns["words"] = [words_bucket(len(text.split())) for text in columns["reference"]]
    columns["failed"] = [float(reason.startswith(FAILURES)) for reason in columns["excluded"]]
    together: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, shared in enumerate(zip(*(columns[name] for name in features), strict=True)):
        together[shared].append(row)
    for shared, rows in together.items():
        own = {name: np.array([value]) for name, value in zip(features, shared, strict=True)}
        of_each = {name: _pick(columns[name], rows) for name in OF_EACH_ROW}
        yield {
            constants.FEATURES_KEY: own | of_each,
            constants.LABELS_KEY: _pick(columns["reference"], rows),
            constants.PREDICTIONS_KEY: _pick(columns["hypothesis"], rows),
        }


def _pick(column: list, rows: list[int]) -> np.ndarray:
    # Objects, not NumPy's strings, which are all as wide as the longest.
    kind = object if isinstance(column[0], str) else float
    return np.array([column[row] for row in rows], kind)


def load_scores(output: str) -> list[Score]:
    """TFMA's results as scores, ordered by trial, the whole before its slices."""
    results = tfma.load_eval_result(output).slicing_metrics
    scores = [_score(dict(key), _values(by_output)) for key, by_output in results]
    return sorted(scores, key=_place)


def _place(score: Score) -> tuple:
    """The SavedModel before the others, the plainest padding first, the whole before its slices."""
    padding = PLAIN_PADDINGS.index(score.variant) if score.variant in PLAIN_PADDINGS else 2
    other = score.artifact != "saved_model"
    return (other, score.artifact, padding, score.variant, score.decoder != GREEDY, score.slice)


def _values(by_output: dict[str, Any]) -> dict[str, float]:
    (by_sub_key,) = by_output.values()
    (values,) = by_sub_key.values()
    # TFMA's JSON has "NaN" for what is not a number.
    return {name: float(value["doubleValue"]) for name, value in values.items()}


def _score(features: dict[str, str], values: dict[str, float]) -> Score:
    trial: dict[str, Any] = {name: features.pop(name) for name in TRIAL_FEATURES}
    counts: dict[str, Any] = {name: round(values[name]) for name in COUNTS}
    return Score(
        **trial,
        slice=describe_slice(features),
        speakers=int(values["speakers"]),
        audio_seconds=values["audio_seconds"],
        compute_seconds=values["compute_seconds"],
        wer_low=values["wer_low"],
        wer_high=values["wer_high"],
        **counts,
    )
