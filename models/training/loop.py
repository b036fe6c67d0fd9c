"""The fine-tuning loop: stages of CTC training, the best weights on the dev split kept.

What it keeps on the disk is enough to go on after a kill at any moment, to the very same end: the
model, the optimizer, the figures, and how many batches were consumed. What is drawn at random
follows from the batch's number alone.
"""

from __future__ import annotations

import dataclasses
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from models import filesystem
from models.data import Batch
from models.errors import BadInputError, PreemptedError
from models.training.checkpoints import Checkpoint, Checkpoints, DamagedCheckpointError
from models.training.config import TrainingConfig
from models.training.devices import (
    any_worker,
    is_chief,
    lost_worker_told,
    of_chief,
    several_workers,
    wait_for_all,
)
from models.training.energy import Energy
from models.training.evaluation import make_recogniser, transcribe, wer_of
from models.training.history import Evaluation, History
from models.training.meter import Meter
from models.training.objective import Objective, ctc_objective
from models.training.readable import Readable, TrainBatches, damage_told
from models.training.step import TrainStep
from models.training.watching import EvaluationReport, Guarded, Sample, Watcher
from models.vocabulary import Vocabulary
from models.wav2vec2 import Wav2Vec2ForCTC

log = logging.getLogger(__name__)

# Steps between two looks at the results: reading them waits for the device.
REPORT_EVERY = 10
# The step of a checkpoint that is not there.
NOTHING_FOUND = -1.0
# Dev utterances whose texts those who watch are shown.
SHOWN_SAMPLES = 8

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Surroundings:
    """What a training works with that changes nothing of what it learns."""

    # Where it goes on from after a kill; nowhere: a temporary folder.
    folder: str | None = None
    watchers: Sequence[Watcher] = ()
    # Asked after each step and each batch of dev: whether this machine is about to be taken away.
    must_stop: Callable[[], bool] = lambda: False
    # Told before each step which comes next, the first of all being 1.
    before_step: Callable[[int], None] = lambda step: None
    # The electricity that was spent since it was asked last.
    energy_spent: Callable[[], Energy] = Energy
    # Under which the model was made.
    strategy: tf.distribute.Strategy = field(default_factory=tf.distribute.get_strategy)


@dataclass
class Position:
    """How far a training has come."""

    stage: int = 0
    stage_began: int = 0  # the step after which it did
    step: int = 0
    batches: int = 0


def fine_tune(
    model: Wav2Vec2ForCTC,
    vocabulary: Vocabulary,
    train_batches: TrainBatches,
    dev_batches: Iterable[Batch],
    config: TrainingConfig,
    objective: Objective = ctc_objective,
    surroundings: Surroundings | None = None,
) -> History:
    """Train `model` in place through every stage; it ends with its best weights on dev.

    Of several workers the chief alone writes, and its model alone ends with the best weights.
    """
    around = surroundings or Surroundings()
    watchers = around.watchers if is_chief(around.strategy) else ()
    guarded = [Guarded(watcher) for watcher in watchers]
    around = dataclasses.replace(around, watchers=guarded)
    with _folder(around.folder) as folder:
        training = _Training(model, vocabulary, dev_batches, config, objective, around, folder)
        try:
            with lost_worker_told(around.strategy):
                training.run(train_batches)
        finally:
            for watcher in around.watchers:
                watcher.close()
        with lost_worker_told(around.strategy):
            if is_chief(around.strategy):
                training.keep_best()
            wait_for_all(around.strategy)
        training.history.spend(around.energy_spent())
        return training.history


@contextmanager
def _folder(given: str | None) -> Iterator[str]:
    if given:
        yield given
    else:
        with tempfile.TemporaryDirectory(prefix="training-") as folder:
            yield folder


class _Training:
    """One training in this process: what it works with, and how far it has come."""

    def __init__(
        self,
        model: Wav2Vec2ForCTC,
        vocabulary: Vocabulary,
        dev_batches: Iterable[Batch],
        config: TrainingConfig,
        objective: Objective,
        around: Surroundings,
        folder: str,
    ) -> None:
        self._model, self._vocabulary, self._dev = model, vocabulary, dev_batches
        self._config, self._objective, self._around = config, objective, around
        self._recognise = make_recogniser(model, vocabulary, around.strategy, config.static_shapes)
        self._states = Checkpoints(filesystem.join(folder, "states"))
        # Of the best evaluations.
        self._weights = Checkpoints(filesystem.join(folder, "weights"), keep=None)
        self._position = Position()
        # The best when the state was saved that a next process would go on from.
        self._best_of_saved: list[Evaluation] = []
        self.history = History([])

    def run(self, train_batches: TrainBatches) -> None:
        """Every stage from where the last process left off, or from the start."""
        found = self._found()
        if found:
            self._go_on_from(found)
        else:
            self._evaluate()
            log.info("dev WER before fine-tuning: %.1f %%", 100 * self.history.initial_wer)
            self._save(None)
        batches = Readable(train_batches, self._position.batches, self.history)
        while self._position.stage < len(self._config.stages):
            step = self._step_of_stage()
            if found and self._position.step > self._position.stage_began:
                step.restore(found.arrays)
            found = None
            self._run_stage(step, batches)
        if self.history.impossible_transcripts:
            log.warning(
                "%d times a transcript was too long for its audio and taught nothing",
                self.history.impossible_transcripts,
            )

    def keep_best(self) -> None:
        """Put the best weights into the model, or the mean of the best if dev likes it better."""
        kept = self._best_that_are_whole()
        if not kept:
            log.warning("no weights of an evaluation are left: the model keeps its last")
            self.history.kept = [self._position.step]
            return
        best = next(iter(kept))
        if len(kept) > 1:
            _put_weights(self._model, _mean(list(kept.values())))
            wer = wer_of(self._dev_heard())
            log.info("dev WER of the mean of %d evaluations: %.2f %%", len(kept), 100 * wer)
            if wer <= best.wer:
                self.history.kept = [one.step for one in kept]
                return
        _put_weights(self._model, kept[best])
        self.history.kept = [best.step]

    def _best_that_are_whole(self) -> dict[Evaluation, Arrays]:
        """The weights of the best evaluations, the best first, as many as are to be averaged."""
        found: dict[Evaluation, Arrays] = {}
        there = self._weights.steps()
        for one in self.history.best_few(len(self.history.evaluations)):
            if len(found) == self._config.average_best:
                break
            try:
                if one.step not in there:
                    raise DamagedCheckpointError(f"there are none in {self._weights.folder}")
                found[one] = self._weights.load(one.step).arrays
            except DamagedCheckpointError as error:
                log.warning(
                    "the weights of step %d (dev WER %.1f %%) are lost, the next best are taken: "
                    "%s",
                    one.step,
                    100 * one.wer,
                    error,
                )
        return found

    def _found(self) -> Checkpoint | None:
        """What all workers go on from; none saves another before each has seen it."""
        found = self._states.newest()
        seen = found.step if found else NOTHING_FOUND
        if seen != of_chief(self._around.strategy, seen):
            raise BadInputError(
                f"This worker does not find the chief's checkpoint in {self._states.folder}; put "
                "the pipeline's folder where all workers reach it."
            )
        return found

    def _step_of_stage(self) -> TrainStep:
        stage = self._config.stages[self._position.stage]
        return TrainStep(self._model, stage, self._config, self._objective, self._around.strategy)

    def _run_stage(self, step: TrainStep, batches: Readable) -> None:
        place, config = self._position, self._config
        number, stage = place.stage, config.stages[place.stage]
        meter = Meter(self.history, number, stage.learning_rate)
        while place.stage == number:
            if not self._owes_an_evaluation:
                self._around.before_step(place.step + 1)
                self._train_once(step, batches, meter)
            ended, evaluates = self._stage_has_ended, self._owes_an_evaluation
            if evaluates:
                self._evaluate_or_save(meter, step)
                if not ended and self._gains_nothing():
                    log.info("the stage ends at step %d: dev gets no better", place.step)
                    self.history.stopped_early.append(place.step)
                    ended = True
            if ended:
                # Before the state is saved: a next process must not have to decide it again.
                place.stage, place.stage_began = number + 1, place.step
            if ended or evaluates or place.step % REPORT_EVERY == 0:
                self._tell(meter, step)
            must_stop = self._must_stop()
            if evaluates or must_stop or place.step % config.checkpoint_every == 0:
                meter.read()
                self._save(None if ended else step)
            if must_stop:
                raise self._stopped()

    def _train_once(self, step: TrainStep, batches: Readable, meter: Meter) -> None:
        place, count = self._position, self._config.accumulate
        began = time.monotonic()
        given = [next(batches) for _ in range(count)]
        waited = time.monotonic() - began
        result = step(given, place.batches)
        place.step += 1
        place.batches = batches.consumed
        meter.add(place.step, result, waited)

    def _must_stop(self) -> bool:
        """Whether any worker is to stop: all then stop at the same step, and the chief saves."""
        asked, strategy = self._around.must_stop(), self._around.strategy
        if several_workers(strategy) and self._position.step % REPORT_EVERY:
            return False  # to agree takes time
        return any_worker(strategy, asked)

    def _tell(self, meter: Meter, step: TrainStep) -> None:
        """What became of the steps since the last time, if there were any."""
        if not meter.steps:
            return
        report = meter.report(self._position.step, self._total_steps, step.learning_rate)
        for watcher in self._around.watchers:
            watcher.step(report)

    def _evaluate_or_save(self, meter: Meter, step: TrainStep) -> None:
        """Broken off, the evaluation is left to the next process, which finds this step's state."""
        meter.read()
        try:
            with meter.paused(), step.averaged():
                self._evaluate()
        except PreemptedError:
            self._tell(meter, step)
            self._save(step)
            raise

    def _evaluate(self) -> None:
        """Decode dev, and remember the weights if they are among the best."""
        began = time.monotonic()
        samples = self._dev_heard()
        # Where one worker's last bits differ, all must still end a stage at the same step.
        wer = of_chief(self._around.strategy, wer_of(samples))
        evaluation = Evaluation(self._position.step, wer)
        self.history.evaluations.append(evaluation)
        if evaluation in self._best() and is_chief(self._around.strategy):
            self._weights.save(evaluation.step, _weights_of(self._model), {})
        seconds = time.monotonic() - began
        report = EvaluationReport(
            evaluation.step, evaluation.wer, seconds, tuple(samples[:SHOWN_SAMPLES])
        )
        for watcher in self._around.watchers:
            watcher.evaluation(report)

    def _dev_heard(self) -> list[Sample]:
        with damage_told("dev"):
            return transcribe(self._recognise, self._vocabulary, self._dev_until_stopped())

    def _dev_until_stopped(self) -> Iterator[Batch]:
        """A machine that is about to be taken away leaves no time for all of dev."""
        # Several workers have to agree at which step they stop.
        alone = not several_workers(self._around.strategy)
        for batch in self._dev:
            if alone and self._around.must_stop():
                raise self._stopped()
            yield batch

    def _stopped(self) -> PreemptedError:
        return PreemptedError(
            f"Training was told to stop after step {self._position.step}; run it again and it "
            "goes on from there."
        )

    def _save(self, step: TrainStep | None) -> None:
        """A state to go on from; weights that neither it nor this process has a use for go."""
        if not is_chief(self._around.strategy):
            return
        self.history.spend(self._around.energy_spent())
        place = self._position
        arrays = _weights_of(self._model) | (step.arrays() if step else {})
        notes = {
            "recipe": self._recipe,
            "position": dataclasses.asdict(place),
            "history": self.history.as_json(),
        }
        if self._states.save(place.step, arrays, notes):
            self._best_of_saved = self._best()
        self._weights.keep_only({one.step for one in self._best() + self._best_of_saved})

    def _best(self) -> list[Evaluation]:
        """Those whose weights are wanted in the end, and one to fall back on."""
        return self.history.best_few(self._config.average_best + 1)

    def _go_on_from(self, found: Checkpoint) -> None:
        if found.notes["recipe"] != self._recipe or not _fits(self._model, found.arrays):
            raise BadInputError(
                f"{self._states.folder} holds an unfinished training of another model or by "
                "another recipe; remove it, or train in another folder."
            )
        log.info("going on from step %d", found.step)
        self._position = Position(**found.notes["position"])
        self.history = History.from_json(found.notes["history"])
        self._best_of_saved = self._best()
        _put_weights(self._model, found.arrays)

    def _gains_nothing(self) -> bool:
        patience = self._config.patience
        began = self._position.stage_began
        return patience is not None and self.history.evaluations_without_gain(began) >= patience

    @property
    def _recipe(self) -> dict[str, Any]:
        """What the saved position and optimizer are of, as JSON gives it back."""
        stages = [dataclasses.asdict(stage) for stage in self._config.stages]
        return {"stages": stages, "average_momentum": self._config.average_momentum}

    @property
    def _stage_has_ended(self) -> bool:
        place = self._position
        return place.step == place.stage_began + self._config.stages[place.stage].steps

    @property
    def _owes_an_evaluation(self) -> bool:
        """After the step it has come to; also where a process was stopped amid it."""
        step = self._position.step
        is_due = step % self._config.evaluate_every == 0 or (
            self._in_last_stage and self._stage_has_ended
        )
        return is_due and self.history.evaluations[-1].step < step

    @property
    def _in_last_stage(self) -> bool:
        return self._position.stage == len(self._config.stages) - 1

    @property
    def _total_steps(self) -> int:
        """As far as is known now: a stage before may have ended early."""
        to_come = self._config.stages[self._position.stage :]
        return self._position.stage_began + sum(stage.steps for stage in to_come)


def _weights_of(model: Wav2Vec2ForCTC) -> Arrays:
    return {variable.path: variable.numpy() for variable in model.trainable_variables}


def _fits(model: Wav2Vec2ForCTC, arrays: Mapping[str, np.ndarray]) -> bool:
    return all(
        variable.path in arrays and arrays[variable.path].shape == tuple(variable.shape)
        for variable in model.trainable_variables
    )


def _put_weights(model: Wav2Vec2ForCTC, arrays: Mapping[str, np.ndarray]) -> None:
    for variable in model.trainable_variables:
        variable.assign(arrays[variable.path])


def _mean(several: list[Arrays]) -> Arrays:
    return {
        name: np.mean([arrays[name] for arrays in several], axis=0, dtype=np.float64).astype(
            first.dtype
        )
        for name, first in several[0].items()
    }
