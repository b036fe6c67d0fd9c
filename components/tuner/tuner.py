"""The Tuner node's entry point: what a trial trains on, and where a killed search goes on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import keras
from tfx.components.tuner.component import TunerFnResult

from components.tuner.search import RecipeSearch
from models import filesystem
from models.training.config import Devices, TrainingConfig
from models.training.devices import fitting, make_strategy
from models.training.loop import Surroundings, fine_tune
from models.training.node import CONFIG_KEY, dev_batches, load_for_training, train_batches
from models.training.preemption import sigterm_noticed
from models.training.progress_line import ProgressLine
from models.training.tuning import TuningConfig
from models.transform_graph import TransformGraph
from models.warm_start import carried_alphabet
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
        self._given = fn_args
        self._strategy = make_strategy(devices)
        self._graph = TransformGraph(
            fn_args.transform_graph_path, carried_alphabet(fn_args.base_model)
        )
        self._vocabulary = self._graph.processor(fn_args.base_model).vocabulary

    def __call__(self, config: TrainingConfig, unfinished: str) -> float:
        """The WER of the best weights on the dev split."""
        # Rids us of the last trial's graphs, and names variables as the first trial's: a state that
        # is gone on from knows them by name.
        keras.backend.clear_session()
        config = fitting(config, self._strategy)
        keras.utils.set_random_seed(config.seed)
        keras.config.set_dtype_policy(config.precision)
        batches = train_batches(self._given.train_files, self._graph, config, self._strategy)
        with self._strategy.scope():
            model = load_for_training(
                self._given.base_model,
                config,
                new_head=self._graph.learned_alphabet,
                vocab_size=len(self._vocabulary.tokens),
            )
        with sigterm_noticed() as must_stop:
            history = fine_tune(
                model,
                self._vocabulary,
                batches,
                dev_batches(self._given.eval_files, self._graph, config),
                config,
                surroundings=Surroundings(
                    folder=unfinished,
                    watchers=(ProgressLine(config),),
                    must_stop=must_stop,
                    strategy=self._strategy,
                ),
            )
        return history.best.wer


def _digest(fn_args: Any) -> str:
    """The same for the same search, so that it is found again after a kill."""
    told = [
        fn_args.train_files,
        fn_args.eval_files,
        fn_args.transform_graph_path,
        fn_args.base_model,
        fn_args.custom_config,
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
