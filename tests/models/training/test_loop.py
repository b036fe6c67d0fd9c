"""Fine-tuning: the loss falls, the best weights stay, frozen parts stay frozen."""

import logging
from itertools import chain, repeat

import numpy as np
import pytest
import tensorflow as tf

from models import data
from models.errors import W2vError
from models.progress import LOGGER_NAME
from models.training import loop
from models.training.config import Stage, TrainingConfig
from models.training.loop import dev_wer, fine_tune, make_recogniser
from models.training.node import load_for_training
from models.transform_graph import TransformGraph
from models.vocabulary import Vocabulary

# Nothing drawn at random, so that what is learned is learned the same each time.
PLAIN = {
    "mask_time_prob": 0.0,
    "dropout": 0.0,
    "layerdrop": 0.0,
    "batch_size": 4,
    "evaluate_every": 1000,
}


@pytest.fixture(scope="module")
def vocabulary(tiny_checkpoint) -> Vocabulary:
    return Vocabulary.from_folder(tiny_checkpoint)


@pytest.fixture(scope="module")
def batches(speech_records, transform_graph_folder) -> list[data.Batch]:
    """The eight utterances in two batches."""
    graph = TransformGraph(str(transform_graph_folder))
    return list(data.bucketed_batches(data.utterances([str(speech_records)], graph), 4))


@pytest.fixture
def model(tiny_checkpoint, vocabulary):
    return load_for_training(
        str(tiny_checkpoint),
        TrainingConfig(**PLAIN),
        new_head=False,
        vocab_size=len(vocabulary.tokens),
    )


def endless(batches):
    return chain.from_iterable(repeat(batches))


def spoilt(batch):
    """The batch with a sample that is not a number."""
    waveforms = batch["waveforms"].numpy()
    waveforms[0, 0] = np.nan
    return batch | {"waveforms": tf.constant(waveforms)}


def recipe(*stages: Stage, **settings) -> TrainingConfig:
    return TrainingConfig(stages=stages, **(PLAIN | settings))


def snapshot(model) -> dict[str, np.ndarray]:
    return {variable.path: variable.numpy() for variable in model.trainable_variables}


def changed(before: dict[str, np.ndarray], model) -> set[str]:
    """The parts of the model of which at least one bit is another."""
    after = snapshot(model)
    assert after.keys() == before.keys()
    different = {path for path in after if not np.array_equal(after[path], before[path])}
    return {part_of(path) for path in different}


def part_of(path: str) -> str:
    parts = ("feature_encoder", "feature_projection", "encoder", "lm_head")
    return next(part for part in parts if f"/{part}/" in f"/{path}/")


def test_training_on_a_handful_of_utterances_learns_them(model, vocabulary, batches):
    stages = (Stage("head", 10, 1e-2, "constant"), Stage("all", 150, 5e-3, "constant"))
    history = fine_tune(
        model, vocabulary, endless(batches), batches, recipe(*stages, evaluate_every=40)
    )
    losses = [loss for _, loss in history.losses]
    assert losses[-1] < 0.5 * losses[0]
    assert [step for step, _ in history.losses] == list(range(10, 161, 10))
    assert [one.step for one in history.evaluations] == [40, 80, 120, 160]
    assert history.skipped_steps == 0
    assert history.best.wer < history.initial_wer
