"""The whole evaluation of exported artifacts over a set of utterances, stage by stage.

    audio ─► predictions ─► TFMA ─► scores
         └─► log-probabilities ─► beam search ─► predictions

Every stage is a Beam pipeline that reads what the one before wrote.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import apache_beam as beam

from components.wer_evaluator.clips import keep_clips, worst_utterances
from components.wer_evaluator.config import EvaluationConfig
from components.wer_evaluator.decode import Search, decode
from components.wer_evaluator.evaluation import (
    CLIPS_FILE,
    PADDING_FILE,
    About,
    ArtifactFacts,
    write_about,
    write_padding_causes,
)
from components.wer_evaluator.explain import explain_padding, variants_to_explain
from components.wer_evaluator.padding import STATIC_VARIANT
from components.wer_evaluator.predict import Spoken, Trial, predict
from components.wer_evaluator.predictions import (
    BEAM,
    GREEDY,
    PREDICTIONS_FOLDER,
    predictions_file,
    read_predictions,
    split_trial,
    trial_name,
)
from components.wer_evaluator.scores import Score, main_trial, write_scores
from components.wer_evaluator.scoring import TFMA_FOLDER, evaluate_predictions, load_scores
from models import filesystem
from models.errors import BadInputError
from models.recognisers import open_recogniser
from models.vocabulary import Vocabulary

log = logging.getLogger(__name__)

LOG_PROBS_FILE = "log_probs.parquet"
WRITTEN = (PREDICTIONS_FOLDER, LOG_PROBS_FILE, TFMA_FOLDER, CLIPS_FILE, PADDING_FILE)
# Only these can be told nothing of their padding.
UNMASKABLE_FORMATS = ("saved_model", "checkpoint")


@dataclass(frozen=True)
class Candidate:
    """An artifact to score, and where it lies."""

    facts: ArtifactFacts
    path: str


@dataclass(frozen=True)
class Material:
    """What is evaluated on: a transform that reads the utterances, and how many those are."""

    split: str
    read: Callable[[beam.Pipeline], beam.PCollection[Spoken]]
    utterances: int
    language_model: str | None = None


def evaluate(
    new_pipeline: Callable[[], beam.Pipeline],
    candidates: Sequence[Candidate],
    material: Material,
    config: EvaluationConfig,
    to: str,
) -> list[Score]:
    """Run, decode and score every candidate; everything about it is written below `to`."""
    for name in WRITTEN:  # of an earlier evaluation: not all is written every time
        filesystem.remove(filesystem.join(to, name))
    trials = [plan_trial(candidate, material, config) for candidate in candidates]
    log_probs = filesystem.join(to, LOG_PROBS_FILE)
    with new_pipeline() as pipeline:
        predict(pipeline, material.read(pipeline), trials, predictions_file(to, GREEDY), log_probs)
    if config.beam_search and (search := plan_search(candidates, material, config)):
        with new_pipeline() as pipeline:
            decode(pipeline, log_probs, search, predictions_file(to, BEAM))
    with new_pipeline() as pipeline:
        files = filesystem.join(to, PREDICTIONS_FOLDER, "*.parquet")
        evaluate_predictions(pipeline, files, config.slices, filesystem.join(to, TFMA_FOLDER))
    scores = load_scores(filesystem.join(to, TFMA_FOLDER))
    write_scores(scores, to)
    write_about(_about(candidates, material, config), to)
    if config.explain_padding:
        _explain(candidates, config.explain_padding, to)
    with new_pipeline() as pipeline:
        wanted = worst_utterances(to, main_trial(scores))
        keep_clips(material.read(pipeline), wanted, filesystem.join(to, CLIPS_FILE))
    return scores


def plan_trial(candidate: Candidate, material: Material, config: EvaluationConfig) -> Trial:
    """An artifact of any length under every variant, a TFLite file at its own lengths."""
    name = candidate.facts.name
    return Trial(
        artifact=name,
        path=candidate.path,
        variants=_variants_of(candidate.facts, config),
        normalisation=config.normalisation,
        batch_seconds=config.batch_seconds,
        utterances=material.utterances,
        overlap=config.overlap if config.long_audio == "windows" else None,
        longest=config.longest,
        kept_log_probs=config.beam_trials if config.beam_search else (),
    )


def plan_search(
    candidates: Sequence[Candidate], material: Material, config: EvaluationConfig
) -> Search | None:
    """One search for all trials: the artifacts are of one model and share its vocabulary.

    None where none of them can be opened: their predictions say why.
    """
    assert config.beam_search is not None
    searched = {split_trial(trial)[0] for trial in config.beam_trials}
    paths = [candidate.path for candidate in candidates if candidate.facts.name in searched]
    if not paths:
        raise BadInputError(
            "evaluation.beam_trials names none of the artifacts that are scored: "
            f"{', '.join(candidate.facts.name for candidate in candidates)}."
        )
    vocabulary = next(filter(None, map(_vocabulary_of, paths)), None)
    if vocabulary is None:
        return None
    return Search(vocabulary, config.beam_search, material.language_model, config.normalisation)


def _vocabulary_of(path: str) -> Vocabulary | None:
    try:
        return open_recogniser(path).vocabulary
    except Exception:
        log.exception("%s cannot be opened", path)
        return None


def _variants_of(facts: ArtifactFacts, config: EvaluationConfig) -> tuple[str, ...]:
    if facts.format == "tflite":
        return (STATIC_VARIANT,)
    if facts.format not in UNMASKABLE_FORMATS:
        return tuple(name for name in config.variants if "unmasked" not in name)
    explained = variants_to_explain(config.explain_padding) if config.explain_padding else ()
    return tuple(dict.fromkeys((*config.variants, *explained)))


def _about(candidates: Sequence[Candidate], material: Material, config: EvaluationConfig) -> About:
    decoding = "greedy"
    if config.beam_search:
        model = "a language model" if material.language_model else "no language model"
        decoding += f"; beam search of width {config.beam_search.width} with {model}"
    return About(
        evaluated=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        split=material.split,
        normalisation=config.normalisation,
        decoding=decoding,
        artifacts=tuple(candidate.facts for candidate in candidates),
    )


def _explain(candidates: Sequence[Candidate], samples: int, evaluation: str) -> None:
    explained = next(
        (one.facts.name for one in candidates if one.facts.format in UNMASKABLE_FORMATS), None
    )
    if explained is None:
        raise BadInputError(
            "Only a SavedModel or a checkpoint can run without its mask, so there is no padding to "
            "explain; leave explain_padding out."
        )
    columns = ("reference", "hypothesis", "excluded")
    causes = explain_padding(
        lambda variant: read_predictions(evaluation, trial_name(explained, variant), columns),
        samples,
    )
    write_padding_causes(causes, evaluation)
