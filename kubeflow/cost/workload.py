"""What a config asks of its machines: audio to hear, operations to calculate."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from components.wer_evaluator.padding import STATIC_VARIANT, parse_variant
from kubeflow.cost.flops import Forward, forward
from kubeflow.cost.prices import Corpus
from models import filesystem
from models.wav2vec2.config import Wav2Vec2Config
from pipeline.config import RunConfig
from schemas.speech_example import SAMPLE_RATE


@dataclass(frozen=True)
class StageWork:
    """One stretch of training: what it hears, padding not counted, and what it calculates."""

    name: str
    steps: int
    audio_hours: float
    flops: float


@dataclass(frozen=True)
class Model:
    """What is trained, and where its size is known from."""

    config: Wav2Vec2Config
    known: bool  # from the checkpoint, not assumed


def model_of(config: RunConfig) -> Model:
    """The model that a config trains; wav2vec2-base where its checkpoint is not there yet."""
    file = filesystem.join(config.model.checkpoint, "config.json")
    text = filesystem.read_text_if_there(file)
    if text is None:
        return Model(Wav2Vec2Config(), known=False)
    return Model(Wav2Vec2Config.from_text(text, file), known=True)


def training_work(config: RunConfig, model: Wav2Vec2Config, corpus: Corpus) -> list[StageWork]:
    """The tuner's trials, each stage, and the evaluations of the dev split between them."""
    training, teacher = config.training, config.model.teacher
    utterances = training.batch_size * training.accumulate
    student = model.replace(num_hidden_layers=teacher.layers) if teacher else model
    heard = _padded(student, corpus)
    taught = _padded(model, corpus).total if teacher else 0.0
    stages = [
        StageWork(
            name=stage.trains.replace("_", " "),
            steps=stage.steps,
            audio_hours=_hours(stage.steps * utterances, corpus),
            flops=stage.steps * utterances * (heard.training(stage.trains) + taught),
        )
        for stage in training.stages
    ]
    evaluations = 1 + math.ceil(training.total_steps / training.evaluate_every)
    dev = evaluations * training.dev_batches * training.batch_size
    stages.append(
        StageWork("dev split, at most", 0, _hours(dev, corpus), dev * heard.total),
    )
    return [*_trials(config, stages), *stages]


def _trials(config: RunConfig, stages: list[StageWork]) -> list[StageWork]:
    """The tuner's: short trainings, at most as many as it may try."""
    if config.tuning is None:
        return []
    steps = config.tuning.trials * config.tuning.trial_steps
    part = steps / config.training.total_steps
    trained = [stage for stage in stages if stage.steps]
    return [
        StageWork(
            name="tuner, at most",
            steps=steps,
            audio_hours=part * sum(stage.audio_hours for stage in trained),
            flops=part * sum(stage.flops for stage in trained),
        )
    ]


def evaluation_flops(config: RunConfig, model: Wav2Vec2Config, corpus: Corpus) -> float:
    """Every artifact under every padding that it is scored under, over the test split."""
    teacher = config.model.teacher
    student = model.replace(num_hidden_layers=teacher.layers) if teacher else model
    utterances = corpus.test_hours * 3600 / corpus.test_mean_seconds
    samples = round(corpus.test_mean_seconds * SAMPLE_RATE)
    return utterances * sum(
        forward(student, _padded_length(variant, samples)).total
        for variant in evaluated_variants(config)
    )


def evaluated_variants(config: RunConfig) -> list[str]:
    """The padding of each trial: the SavedModel's, each ONNX file's and each TFLite file's."""
    variants = config.evaluation.variants
    masked = [name for name in variants if parse_variant(name).mask == "full"]
    return [
        *variants,
        *masked * len(config.export.onnx),
        *[STATIC_VARIANT] * len(config.export.tflite),
    ]


def _padded_length(variant: str, samples: int) -> int:
    if variant == STATIC_VARIANT:
        variant = "bucketed"  # about as close
    return parse_variant(variant).padded_length(samples) or samples


def _padded(model: Wav2Vec2Config, corpus: Corpus) -> Forward:
    """The forward pass of a mean utterance with its part of the padding."""
    samples = round(corpus.mean_seconds * SAMPLE_RATE)
    unpadded = forward(model, samples)
    return Forward(
        **{
            name: value / (1 - corpus.padding)
            for name, value in dataclasses.asdict(unpadded).items()
        }
    )


def _hours(utterances: int, corpus: Corpus) -> float:
    return utterances * corpus.mean_seconds / 3600
