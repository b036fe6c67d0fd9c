"""A recipe, a base model and a corpus put together, for the Trainer and for a trial of the Tuner.

The precision is the model's and not the process's, which exports and evaluates in float32 next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import tensorflow as tf

from models import data, filesystem
from models.processor import Processor
from models.training.config import TeacherConfig, TrainingConfig
from models.training.devices import fitting, shared_out
from models.training.distillation import distillation, student_of
from models.training.energy import Energy
from models.training.history import History
from models.training.loop import Surroundings, TrainBatches, fine_tune
from models.training.objective import Objective, ctc_objective
from models.training.preemption import sigterm_noticed
from models.training.watching import Watcher
from models.transform_graph import TransformGraph
from models.warm_start import carried_alphabet, keep_head_rows
from models.wav2vec2 import Wav2Vec2ForCTC

EPOCH_SIZE_FILE = "batches-per-epoch"


@dataclass(frozen=True)
class Material:
    """What is trained on what."""

    train_files: Sequence[str]
    dev_files: Sequence[str]
    transform_graph: str
    base_model: str  # or the teacher, whose student is trained
    teacher: TeacherConfig | None = None


@dataclass(frozen=True)
class Trained:
    """What came of it."""

    model: Wav2Vec2ForCTC
    processor: Processor
    history: History


def train(
    material: Material,
    config: TrainingConfig,
    strategy: tf.distribute.Strategy,
    folder: str,
    watchers: Sequence[Watcher] = (),
    before_step: Callable[[int], None] = lambda step: None,
    energy_spent: Callable[[], Energy] = Energy,
) -> Trained:
    """Fine-tune by the recipe, going on from what a killed training left in `folder`."""
    config = fitting(config, strategy)
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    graph = TransformGraph(material.transform_graph, carried_alphabet(material.base_model))
    processor = graph.processor(material.base_model)
    batches = train_batches(material.train_files, graph, config, strategy, folder)
    objective: Objective = ctc_objective
    with strategy.scope():
        model = load_for_training(
            material.base_model,
            config,
            new_head=graph.learned_alphabet,
            vocab_size=len(processor.vocabulary.tokens),
        )
        if material.teacher:
            teacher, model = model, student_of(model, material.teacher.layers)
            objective = distillation(teacher, model, material.teacher)
    with sigterm_noticed() as must_stop:
        history = fine_tune(
            model,
            processor.vocabulary,
            batches,
            dev_batches(material.dev_files, graph, config),
            config,
            objective,
            Surroundings(folder, watchers, must_stop, before_step, energy_spent, strategy),
        )
    return Trained(model, processor, history)


def load_for_training(
    folder: str, config: TrainingConfig, *, new_head: bool, vocab_size: int
) -> Wav2Vec2ForCTC:
    """The checkpoint with the recipe's regularisation, and a new head for a new alphabet."""
    overrides = {
        "mask_time_prob": config.mask_time_prob,
        "mask_time_length": config.mask_time_length,
        "mask_feature_prob": config.mask_feature_prob,
        "layerdrop": config.layerdrop,
        "hidden_dropout": config.dropout,
        "attention_dropout": config.dropout,
        "activation_dropout": config.dropout,
        "feat_proj_dropout": config.dropout,
        "final_dropout": config.dropout,
        "vocab_size": vocab_size,
    }
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    model = Wav2Vec2ForCTC.from_pretrained(
        folder, new_head=new_head, seed=config.seed, dtype=config.precision, **given
    )
    if new_head and carried_alphabet(folder):
        keep_head_rows(model, folder)
    return model


def train_batches(
    files: Sequence[str],
    graph: TransformGraph,
    config: TrainingConfig,
    strategy: tf.distribute.Strategy,
    folder: str,
) -> TrainBatches:
    """The training split without end, from any batch on, shared out among the devices."""
    epoch_size = remembered(folder, lambda: data.batches_per_epoch(files, graph, _plan(config)))
    return shared_out(
        strategy,
        _plan(config),
        lambda plan, start: data.training_batches(files, graph, plan, start, epoch_size),
    )


def remembered(folder: str, count: Callable[[], int]) -> Callable[[], int]:
    """How many batches an epoch has, for which a whole corpus must be read: counted only once.

    The next process, after one more kill, finds it in the folder.
    """
    path = filesystem.join(folder, EPOCH_SIZE_FILE)

    @cache
    def number() -> int:
        with suppress(ValueError, *filesystem.errors_of(path)):
            return int(filesystem.read_text(path))
        counted = count()
        with suppress(*filesystem.errors_of(path)):
            filesystem.make_folder(folder)
            filesystem.write_text(path, str(counted))
        return counted

    return number


def dev_batches(
    files: Sequence[str], graph: TransformGraph, config: TrainingConfig
) -> tf.data.Dataset:
    """As much of the dev split as the recipe looks at."""
    batches = data.evaluation_batches(files, graph, _plan(config))
    return batches.take(config.dev_batches).cache()


def _plan(config: TrainingConfig) -> data.BatchPlan:
    return data.BatchPlan(config.batch_size, config.seed, config.static_shapes)
