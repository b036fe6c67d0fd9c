"""The Tuner node's entry point: what a trial trains on, and where a killed search goes on."""

from __future__ import annotations

from typing import Any

import keras
from tfx.components.tuner.component import TunerFnResult

from components.tuner.search import RecipeSearch
from models import filesystem
from models.errors import BadInputError
from models.training.assembly import Material, train
from models.training.config import Devices, TrainingConfig
from models.training.devices import make_strategy, workers_told
from models.training.node import CONFIG_KEY, digest_of
from models.training.progress_line import ProgressLine
from models.training.tuning import TuningConfig
from schemas.properties import from_json

# Custom config keys of the Tuner node, beside the trainer's.
TUNING_KEY = "tuning"
FOLDER_KEY = "folder"


def tuner_fn(fn_args: Any) -> TunerFnResult:
    """`fn_args` is TFX's FnArgs, as the Trainer gets them but for the output folders."""
    told = fn_args.custom_config
    recipe = from_json(TrainingConfig, told[CONFIG_KEY])
    search = RecipeSearch(
        recipe,
        from_json(TuningConfig, told[TUNING_KEY]),
        filesystem.join(told[FOLDER_KEY], _digest(fn_args)),
        Trials(fn_args, recipe.devices),
    )
    return TunerFnResult(tuner=search, fit_kwargs={})


class Trials:
    """Fine-tunes the base model by one recipe after another."""

    def __init__(self, fn_args: Any, devices: Devices) -> None:
        self._material = Material(
            fn_args.train_files,
            fn_args.eval_files,
            fn_args.transform_graph_path,
            fn_args.base_model,
        )
        if workers_told() > 1:
            # Each would search by itself, in the same folder.
            raise BadInputError(
                "A tuning runs on one worker, but TF_CONFIG names several; unset it, or leave the "
                "section tuning out and write what it found into the recipe."
            )
        self._strategy = make_strategy(devices)

    def __call__(self, config: TrainingConfig, unfinished: str) -> float:
        """The WER of the best weights on the dev split."""
        keras.backend.clear_session()  # the last trial's graphs
        watchers = (ProgressLine(config),)
        return train(self._material, config, self._strategy, unfinished, watchers).history.best.wer


def _digest(fn_args: Any) -> str:
    """The same for the same search, so that it is found again after a kill."""
    told = [
        fn_args.train_files,
        fn_args.eval_files,
        fn_args.transform_graph_path,
        fn_args.base_model,
        fn_args.custom_config,
    ]
    return digest_of(told)
