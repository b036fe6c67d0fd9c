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
    ABOUT_FILE,
    CLIPS_FILE,
    PADDING_FILE,
    About,
    ArtifactFacts,
    write_about,
    write_padding_causes,
)
from components.wer_evaluator.explain import explain_padding, variants_to_explain
from components.wer_evaluator.padding import STATIC_VARIANT, parse_variant
from components.wer_evaluator.predict import Spoken, Trial, predict
from components.wer_evaluator.predictions import (
    BEAM,
    GREEDY,
    PREDICTIONS_FOLDER,
    predictions_prefix,
    read_predictions,
    trial_name,
)
from components.wer_evaluator.scores import SCORES_FILE, Score, main_trial, write_scores
from components.wer_evaluator.scoring import TFMA_FOLDER, evaluate_predictions, load_scores
from models import filesystem
from models.beam_search import BeamDecoder
from models.errors import BadInputError
from models.normalisation import normalise_text
from models.recognisers import open_recogniser
from models.vocabulary import Vocabulary

log = logging.getLogger(__name__)

LOG_PROBS_FOLDER = "log_probs"
WRITTEN = (
    ABOUT_FILE,
    SCORES_FILE,
    PREDICTIONS_FOLDER,
    LOG_PROBS_FOLDER,
    TFMA_FOLDER,
    CLIPS_FILE,
    PADDING_FILE,
)
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


@dataclass(frozen=True)
class Plan:
    """What will be run: what is wrong with it is found before the hours of running."""

    trials: list[Trial]
    search: Search | None
    explained: str | None  # the artifact whose padding is explained


def evaluate(
    new_pipeline: Callable[[], beam.Pipeline],
    candidates: Sequence[Candidate],
    material: Material,
    config: EvaluationConfig,
    to: str,
) -> list[Score]:
    """Run, decode and score every candidate; everything about it is written below `to`."""
    plan = plan_evaluation(candidates, material, config)
    for name in WRITTEN:  # of an earlier evaluation: not all is written every time
        filesystem.remove(filesystem.join(to, name))
    log_probs = filesystem.join(to, LOG_PROBS_FOLDER, "part")
    with new_pipeline() as pipeline:
        spoken = material.read(pipeline)
        predict(pipeline, spoken, plan.trials, predictions_prefix(to, GREEDY), log_probs)
    if plan.search:
        with new_pipeline() as pipeline:
            decode(pipeline, f"{log_probs}*", plan.search, predictions_prefix(to, BEAM))
    with new_pipeline() as pipeline:
        files = filesystem.join(to, PREDICTIONS_FOLDER, "*.parquet")
        evaluate_predictions(pipeline, files, config.slices, filesystem.join(to, TFMA_FOLDER))
    scores = load_scores(filesystem.join(to, TFMA_FOLDER))
    write_scores(scores, to)
    if plan.explained and config.explain_padding:
        _explain(plan.explained, config.explain_padding, to)
    with new_pipeline() as pipeline:
        wanted = worst_utterances(to, main_trial(scores))
        keep_clips(material.read(pipeline), wanted, filesystem.join(to, CLIPS_FILE))
    # Last: where it lies the evaluation is whole.
    write_about(_about(candidates, material, config), to)
    return scores


def plan_evaluation(
    candidates: Sequence[Candidate], material: Material, config: EvaluationConfig
) -> Plan:
    """What the config asks for of these candidates, or one sentence why it cannot be."""
    trials = [plan_trial(candidate, material, config) for candidate in candidates]
    for trial in trials:
        if not trial.variants:
            raise BadInputError(
                f"{trial.artifact} cannot run without its mask and no other padding is named; add "
                "one to evaluation.variants, such as bucketed."
            )
    _refuse_other_alphabets(trials, config)
    search = plan_search(trials, material, config) if config.beam_search else None
    return Plan(trials, search, _explained(candidates) if config.explain_padding else None)


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
    trials: Sequence[Trial], material: Material, config: EvaluationConfig
) -> Search | None:
    """One search for all trials: the artifacts are of one model and share its vocabulary.

    None where none of them can be opened: their predictions say why.
    """
    assert config.beam_search is not None
    paths = {trial_name(one.artifact, name): one.path for one in trials for name in one.variants}
    unknown = [trial for trial in config.beam_trials if trial not in paths]
    if unknown:
        raise BadInputError(
            f"evaluation.beam_trials names {unknown[0]}, which is not scored; scored are "
            f"{', '.join(paths)}."
        )
    searched = dict.fromkeys(paths[trial] for trial in config.beam_trials)
    vocabulary = next(filter(None, map(_vocabulary_of, searched)), None)
    if vocabulary is None:
        return None
    BeamDecoder(vocabulary, config.beam_search, material.language_model)  # or its sentence
    return Search(vocabulary, config.beam_search, material.language_model, config.normalisation)


def _refuse_other_alphabets(trials: Sequence[Trial], config: EvaluationConfig) -> None:
    """A normalisation that drops a model's letters would hide all errors in them."""
    if config.normalisation != "librispeech":
        return
    for vocabulary in filter(None, (_vocabulary_of(trial.path) for trial in trials)):
        letters = [letter for letter in vocabulary.characters if letter.isalpha()]
        lost = [one for one in letters if not normalise_text(one, config.normalisation)]
        if lost:
            raise BadInputError(
                f"The normalisation librispeech drops letters that the model writes, such as "
                f"{lost[0]!r}, and all errors in them; set evaluation.normalisation to lower, or "
                "to another that keeps them."
            )


def _explained(candidates: Sequence[Candidate]) -> str:
    for candidate in candidates:
        if candidate.facts.format in UNMASKABLE_FORMATS:
            return candidate.facts.name
    raise BadInputError(
        "Only a SavedModel or a checkpoint can run without its mask, so there is no padding to "
        "explain; leave explain_padding out."
    )


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
        return tuple(name for name in config.variants if parse_variant(name).mask == "full")
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


def _explain(artifact: str, samples: int, evaluation: str) -> None:
    columns = ("reference", "hypothesis", "excluded")
    causes = explain_padding(
        lambda variant: read_predictions(evaluation, trial_name(artifact, variant), columns),
        samples,
    )
    write_padding_causes(causes, evaluation)
