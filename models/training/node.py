"""What the Trainer node does: read its arguments, fine-tune, save in the Hugging Face layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import keras
import tensorflow as tf
from pydantic import TypeAdapter

from models import data, filesystem
from models.training.config import TeacherConfig, TrainingConfig
from models.training.devices import fitting, is_chief, make_strategy, shared_out
from models.training.distillation import distillation, student_of
from models.training.loop import Surroundings, TrainBatches, fine_tune
from models.training.objective import Objective, ctc_objective
from models.training.preemption import sigterm_noticed
from models.training.profile import Profile
from models.training.progress_line import ProgressLine
from models.training.tensorboard import TensorBoard
from models.training.tuning import tuned
from models.transform_graph import TransformGraph
from models.warm_start import carried_alphabet, keep_head_rows
from models.wav2vec2 import Wav2Vec2ForCTC

CONFIG_KEY = "training"
# The base model is a teacher: its student is trained.
TEACHER_KEY = "teacher"
HISTORY_FILE = "history.json"
# Beside the node's outputs: where a killed training is found again by the next process.
UNFINISHED_FOLDER = ".unfinished"
# In it, for TensorBoard; in the end they lie where TFX keeps such files, in the node's model_run.
EVENTS_FOLDER = "events"


def train_node(fn_args: Any) -> None:
    """`fn_args` is TFX's FnArgs: files, transform graph, base model, output folders."""
    config = TypeAdapter(TrainingConfig).validate_json(fn_args.custom_config[CONFIG_KEY])
    if fn_args.hyperparameters:  # what the Tuner found best
        config = tuned(config, fn_args.hyperparameters["values"])
    strategy = make_strategy(config.devices)
    config = fitting(config, strategy)
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    graph = TransformGraph(fn_args.transform_output, carried_alphabet(fn_args.base_model))
    processor = graph.processor(fn_args.base_model)
    batches = train_batches(fn_args.train_files, graph, config, strategy)
    objective: Objective = ctc_objective
    with strategy.scope():
        model = load_for_training(
            fn_args.base_model,
            config,
            new_head=graph.learned_alphabet,
            vocab_size=len(processor.vocabulary.tokens),
        )
        if TEACHER_KEY in fn_args.custom_config:
            lesson = TypeAdapter(TeacherConfig).validate_json(fn_args.custom_config[TEACHER_KEY])
            teacher, model = model, student_of(model, lesson.layers)
            objective = distillation(teacher, model, lesson)
    unfinished = unfinished_folder(fn_args)
    events = filesystem.join(unfinished, EVENTS_FOLDER)
    profile = Profile(events, config.profile_steps if is_chief(strategy) else None)
    with sigterm_noticed() as must_stop, closing(profile):
        history = fine_tune(
            model,
            processor.vocabulary,
            batches,
            dev_batches(fn_args.eval_files, graph, config),
            config,
            objective,
            surroundings=Surroundings(
                folder=unfinished,
                watchers=(ProgressLine(config), TensorBoard(events, config)),
                must_stop=must_stop,
                before_step=profile.at,
                strategy=strategy,
            ),
        )
    if not is_chief(strategy):
        return
    model.save_pretrained(fn_args.serving_model_dir)
    processor.save_pretrained(fn_args.serving_model_dir)
    filesystem.write_text(
        filesystem.join(fn_args.serving_model_dir, HISTORY_FILE),
        json.dumps(history.as_json(), indent=1),
    )
    if fn_args.model_run_dir:
        _copy_files(events, fn_args.model_run_dir)
    filesystem.remove(unfinished)


def _copy_files(source: str, target: str) -> None:
    for name in filesystem.list_files(source):
        filesystem.copy_file(filesystem.join(source, name), filesystem.join(target, name))


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
    model = Wav2Vec2ForCTC.from_pretrained(folder, new_head=new_head, seed=config.seed, **given)
    if new_head and carried_alphabet(folder):
        keep_head_rows(model, folder)
    return model


def train_batches(
    files: Sequence[str],
    graph: TransformGraph,
    config: TrainingConfig,
    strategy: tf.distribute.Strategy | None = None,
) -> TrainBatches:
    """The training split without end, from any batch on, shared out among the devices."""
    return shared_out(
        strategy or tf.distribute.get_strategy(),
        _plan(config),
        lambda plan, start: data.training_batches(files, graph, plan, start),
    )


def dev_batches(
    files: Sequence[str], graph: TransformGraph, config: TrainingConfig
) -> tf.data.Dataset:
    """As much of the dev split as the recipe looks at."""
    batches = data.evaluation_batches(files, graph, _plan(config))
    return batches.take(config.dev_batches).cache()


def _plan(config: TrainingConfig) -> data.BatchPlan:
    return data.BatchPlan(config.batch_size, config.seed, config.static_shapes)


def unfinished_folder(fn_args: Any) -> str:
    """Where this very training goes on: the same for a node that was told the same.

    TFX gives a node that is tried again another output folder, but its inputs where they were.
    """
    told = {
        "train": list(fn_args.train_files),
        "dev": list(fn_args.eval_files),
        "transform": fn_args.transform_output,
        "base": fn_args.base_model,
        "config": fn_args.custom_config,
        "hyperparameters": fn_args.hyperparameters,
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    # …/Trainer/model/7/Format-Serving -> …/Trainer
    node = fn_args.serving_model_dir.rstrip("/").rsplit("/", 3)[0]
    return filesystem.join(node, UNFINISHED_FOLDER, digest)
