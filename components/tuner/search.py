"""KerasTuner's search over the knobs of a recipe; what a trial trains is handed in."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from keras_tuner import HyperParameters, Objective
from keras_tuner import errors as tuner_errors
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.oracle import Oracle
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.oracles import BayesianOptimizationOracle, HyperbandOracle, RandomSearchOracle

from models import filesystem
from models.errors import BadInputError, PreemptedError, W2vError
from models.training.config import TrainingConfig
from models.training.tuning import (
    HYPERBAND_FACTOR,
    HYPERBAND_SHARES,
    TRIALS_OF_A_BRACKET,
    Knob,
    TuningConfig,
    knobs,
    shortened,
    tuned,
)

log = logging.getLogger(__name__)

DEV_WER = "dev_wer"
# How many of Hyperband's shares of the steps a trial gets, among its values.
SHARES_KEY = "tuner/epochs"
# What trains by a recipe, keeps in a folder what it would go on from, and gives the WER on the dev
# split.
Train = Callable[[TrainingConfig, str], float]


class RecipeSearch(BaseTuner):
    """Trials one after the other; a killed search goes on in the same folder."""

    def __init__(
        self, recipe: TrainingConfig, tuning: TuningConfig, folder: str, train: Train
    ) -> None:
        self._recipe, self._tuning, self._folder, self._train = recipe, tuning, folder, train
        self._knobs = knobs(recipe, tuning)
        self._reasons: dict[str, str] = {}  # why a trial failed, by its id
        super().__init__(_oracle(tuning, self._knobs), directory=folder, project_name="trials")

    def search(self, **fit_kwargs: Any) -> None:
        """Every trial; at the end at least one of them has learned."""
        try:
            super().search(**fit_kwargs)
        except tuner_errors.FatalError as error:
            raise (error.__cause__ or error) from None
        failed = [trial for trial in self.trials if trial.status != TrialStatus.COMPLETED]
        if len(failed) == len(self.trials):
            raise W2vError(
                f"Not one of {len(failed)} trials of the tuning could be trained; the last: "
                f"{self._reason(failed[-1])}"
            )
        filesystem.remove(self._folder)

    def run_trial(self, trial: Trial, **fit_kwargs: Any) -> dict[str, float]:
        """Train as the trial's values say, in few steps."""
        values = trial.hyperparameters.values
        shares = values.get(SHARES_KEY, HYPERBAND_SHARES)
        steps = math.ceil(self._tuning.trial_steps * shares / HYPERBAND_SHARES)
        recipe = shortened(tuned(self._recipe, values), steps)
        try:
            return {DEV_WER: self._train(recipe, self._training_folder(trial))}
        except (BadInputError, PreemptedError) as error:
            raise tuner_errors.FatalError from error
        except W2vError as error:  # training that these values let run away
            self._reasons[trial.trial_id] = str(error)
            raise tuner_errors.FailedTrialError(str(error)) from error
        except Exception as error:  # no other values would help
            raise tuner_errors.FatalError from error

    def on_trial_end(self, trial: Trial) -> None:
        super().on_trial_end(trial)
        filesystem.remove(self._training_folder(trial))  # as large as some models
        log.info("trial %d of %d:\n%s", len(self.trials), self._tuning.trials, self.table())

    def _training_folder(self, trial: Trial) -> str:
        return filesystem.join(self._folder, "training", trial.trial_id)

    @property
    def trials(self) -> list[Trial]:
        """In the order in which they began."""
        return [self.oracle.trials[name] for name in self.oracle.start_order]

    def table(self) -> str:
        """Every trial so far, the best first, what failed with its reason last."""
        rows = [["trial", "dev WER", *(knob.name for knob in self._knobs), ""]]
        rows += [self._row(trial) for trial in sorted(self.trials, key=_wer)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        )
        return "\n".join(line.rstrip() for line in lines)

    def _row(self, trial: Trial) -> list[str]:
        values = trial.hyperparameters.values
        learned = trial.status == TrialStatus.COMPLETED
        return [
            trial.trial_id,
            f"{100 * trial.score:.2f} %" if learned else "failed",
            *(f"{values[knob.name]:.4g}" for knob in self._knobs),
            "" if learned else self._reason(trial),
        ]

    def _reason(self, trial: Trial) -> str:
        """Why a trial failed; of an earlier process, as KerasTuner's traceback ends."""
        if not trial.message:
            return "its dev WER was not a number"
        return self._reasons.get(trial.trial_id) or trial.message.strip().splitlines()[-1]

    # The two that TFX prints before and after the search.

    def search_space_summary(self, extended: bool = False) -> None:
        for knob in self._knobs:
            log.info("tuning %s from %.4g to %.4g", knob.name, knob.low, knob.high)

    def results_summary(self, num_trials: int = 10) -> None:
        log.info("trials of the tuning:\n%s", self.table())


def _wer(trial: Trial) -> float:
    return trial.score if trial.status == TrialStatus.COMPLETED else math.inf


def _oracle(tuning: TuningConfig, searched: list[Knob]) -> Oracle:
    told = {
        "objective": Objective(DEV_WER, direction="min"),
        "hyperparameters": _space(searched),
        "seed": 1 + tuning.seed,  # KerasTuner takes 0 for none
        # A failed trial ends no search: `RecipeSearch` looks at them all.
        "max_consecutive_failed_trials": tuning.trials + 1,
    }
    if tuning.algorithm == "random":
        oracle = _RandomSearch(max_trials=tuning.trials, **told)
    elif tuning.algorithm == "bayesian":
        # KerasTuner's own default, three a knob, would leave few trials to be wiser.
        at_random = max(2, tuning.trials // 3)
        oracle = _Bayesian(max_trials=tuning.trials, num_initial_points=at_random, **told)
    else:
        rounds = math.ceil(tuning.trials / TRIALS_OF_A_BRACKET)
        oracle = _Hyperband(
            max_epochs=HYPERBAND_SHARES,
            factor=HYPERBAND_FACTOR,
            hyperband_iterations=rounds,
            **told,
        )
        oracle.max_trials = tuning.trials
    oracle.verbose = 0  # the search has a table of its own
    return oracle


def _space(searched: list[Knob]) -> HyperParameters:
    space = HyperParameters()
    for knob in searched:
        if knob.whole:
            space.Int(knob.name, int(knob.low), int(knob.high), default=int(knob.recipe))
        else:
            sampling = "log" if knob.by_factors else "linear"
            space.Float(knob.name, knob.low, knob.high, sampling=sampling, default=knob.recipe)
    return space


class _RecipeFirst:
    """The first trial has the recipe's own values: the search can only better them."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        answer = super().populate_space(trial_id)  # type: ignore[misc]
        if not self.trials and answer["values"]:  # type: ignore[attr-defined]
            space = self.hyperparameters.space  # type: ignore[attr-defined]
            answer["values"] |= {one.name: one.default for one in space}
        return answer


class _RandomSearch(_RecipeFirst, RandomSearchOracle):
    pass


class _Bayesian(_RecipeFirst, BayesianOptimizationOracle):
    pass


class _Hyperband(_RecipeFirst, HyperbandOracle):
    pass
