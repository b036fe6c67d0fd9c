"""Evaluate any exported artifact on any data, outside a pipeline: `w2v evaluate`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from components.release_gate.judgement import reach_verdict
from components.release_gate.report import write_report
from components.release_gate.verdict import Verdict
from components.speech_example_gen.findings import read_findings, refuse_bad_splits
from components.speech_example_gen.ingest import SplitPlan, ingest_split, list_files
from components.speech_example_gen.sources import source_type
from components.wer_evaluator.evaluate import Candidate, Material, evaluate
from components.wer_evaluator.evaluation import ABOUT_FILE
from components.wer_evaluator.predict import read_split
from models.errors import BadInputError
from pipeline.artifacts import facts_of
from pipeline.evaluation_settings import EvaluationSettings
from pipeline.local import beam_args

RECORDS_FOLDER = "records"
RECORD_FILES = ("*.gz", "*.tfrecord")
SHARD_MEGABYTES = 200
TRANSCRIPTS = "*.trans.txt"


def evaluate_model(
    model: Path,
    data: Path,
    to: Path,
    settings: EvaluationSettings,
    *,
    baseline: Path | None = None,
    language_model: Path | None = None,
    workers: int = 1,
) -> Verdict:
    """Score the model on the data; predictions, scores and report lie in `to` afterwards."""
    if baseline and not (baseline / ABOUT_FILE).exists():
        raise BadInputError(
            f"{baseline} holds no evaluation ({ABOUT_FILE}); give a folder that w2v evaluate wrote."
        )
    if language_model and not language_model.exists():
        raise BadInputError(f"There is no language model at {language_model}; check the path.")
    new_pipeline = partial(beam.Pipeline, options=PipelineOptions(beam_args(workers)))
    candidate = Candidate(facts_of(model), str(model))
    records, utterances = find_records(data, to, new_pipeline)
    material = Material(
        split=data.name,
        read=partial(read_split, records=records),
        utterances=utterances,
        language_model=str(language_model) if language_model else None,
    )
    try:
        evaluate(new_pipeline, [candidate], material, settings.evaluation, str(to))
    finally:
        shutil.rmtree(to / RECORDS_FOLDER, ignore_errors=True)  # as large as the audio
    verdict = reach_verdict(
        str(model),
        str(to),
        settings.gate,
        baseline=str(baseline) if baseline else "",
        baseline_name=str(baseline or ""),
    )
    write_report(verdict, str(to), str(to))
    return verdict


def find_records(data: Path, to: Path, new_pipeline: partial) -> tuple[str, int]:
    """The pattern of the TFRecord files behind the data, and how many utterances they hold."""
    if not data.exists():
        raise BadInputError(f"There is no data at {data}; check the path.")
    for pattern in RECORD_FILES:
        if data.is_dir() and list(data.glob(pattern)):
            return str(data / pattern), count_records(sorted(data.glob(pattern)))
    corpus, subsets = corpus_and_subsets(data)
    plan = SplitPlan(
        name=data.name,
        source=(source := source_type("librispeech")(str(corpus))),
        files=list_files(str(corpus / subsets / source.files_below_subset)),
        records=str(to / RECORDS_FOLDER),
        findings=str(to / RECORDS_FOLDER / "findings"),
        shard_megabytes=SHARD_MEGABYTES,
    )
    with new_pipeline() as pipeline:
        ingest_split(pipeline, plan)
    found = read_findings(plan)
    refuse_bad_splits([found], max_quarantined_fraction=1.0, quarantine_place=plan.findings)
    return str(to / RECORDS_FOLDER / RECORD_FILES[0]), found.utterances


def corpus_and_subsets(data: Path) -> tuple[Path, str]:
    """The corpus that the data is, or is a subset of, and the pattern of its subsets."""
    if any(data.glob(f"*/*/{TRANSCRIPTS}")):
        return data.parent, data.name
    if any(data.glob(f"*/*/*/{TRANSCRIPTS}")):
        return data, "*"
    raise BadInputError(
        f"{data} holds neither TFRecord files ({', '.join(RECORD_FILES)}) nor a corpus or subset "
        "in LibriSpeech layout; give one of these folders, such as LibriSpeech/test-clean."
    )


def count_records(files: Sequence[Path]) -> int:
    """How many records the files hold."""
    import tensorflow as tf

    return sum(
        1
        for file in files
        for _ in tf.data.TFRecordDataset(
            str(file), compression_type="GZIP" if file.suffix == ".gz" else ""
        )
    )
