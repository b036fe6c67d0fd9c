"""What the Trainer node does: read its arguments, fine-tune, save in the Hugging Face layout."""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import closing
from typing import Any

from pydantic import TypeAdapter

from models import filesystem
from models.training.assembly import Material, train
from models.training.config import TeacherConfig, TrainingConfig
from models.training.devices import is_chief, lost_worker_told, make_strategy, wait_for_all
from models.training.energy import EnergyMeter
from models.training.history import HISTORY_FILE
from models.training.profile import Profile
from models.training.progress_line import ProgressLine
from models.training.tensorboard import TensorBoard
from models.training.tuning import tuned

log = logging.getLogger(__name__)

CONFIG_KEY = "training"
# The base model is a teacher: its student is trained.
TEACHER_KEY = "teacher"
# Beside the node's outputs: where a killed training is found again by the next process.
UNFINISHED_FOLDER = ".unfinished"
# In it, for TensorBoard; in the end they lie where TFX keeps such files, in the node's model_run.
EVENTS_FOLDER = "events"


def train_node(fn_args: Any) -> None:
    """`fn_args` is TFX's FnArgs: files, transform graph, base model, output folders."""
    told, output = fn_args.custom_config, fn_args.serving_model_dir
    config = TypeAdapter(TrainingConfig).validate_json(told[CONFIG_KEY])
    if fn_args.hyperparameters:  # what the Tuner found best
        config = tuned(config, fn_args.hyperparameters["values"])
    strategy = make_strategy(config.devices)
    material = Material(
        fn_args.train_files,
        fn_args.eval_files,
        fn_args.transform_output,
        fn_args.base_model,
        TypeAdapter(TeacherConfig).validate_json(told[TEACHER_KEY])
        if TEACHER_KEY in told
        else None,
    )
    unfinished = unfinished_folder(fn_args)
    events = filesystem.join(unfinished, EVENTS_FOLDER)
    watchers = (ProgressLine(config), TensorBoard(events, config))
    profile = Profile(events, config.profile_steps if is_chief(strategy) else None)
    with closing(EnergyMeter()) as energy, closing(profile):
        trained = train(material, config, strategy, unfinished, watchers, profile.at, energy.take)
    if is_chief(strategy):
        trained.model.save_pretrained(output)
        trained.processor.save_pretrained(output)
        record = json.dumps(trained.history.as_json(), indent=1)
        filesystem.write_text(filesystem.join(output, HISTORY_FILE), record)
        _keep_events(events, fn_args.model_run_dir)
        filesystem.remove(unfinished)
    # TFX looks for the model on every worker.
    with lost_worker_told(strategy):
        wait_for_all(strategy)


def _keep_events(source: str, target: str | None) -> None:
    """Copy what TensorBoard reads to where TFX keeps it; the model is saved, come what may."""
    if not target:
        return
    try:
        for name in filesystem.list_files(source):
            filesystem.copy_file(filesystem.join(source, name), filesystem.join(target, name))
    except filesystem.errors_of(target) as error:
        log.warning("TensorBoard's events stay in %s: %s", source, error)


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
    # …/Trainer/model/7/Format-Serving -> …/Trainer
    node = fn_args.serving_model_dir.rstrip("/").rsplit("/", 3)[0]
    return filesystem.join(node, UNFINISHED_FOLDER, digest_of(told))


def digest_of(told: Any) -> str:
    """What names the work of a node that was told this; the same for the same, in any process."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
