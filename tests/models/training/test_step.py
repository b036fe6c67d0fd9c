"""One step: the mean over utterances is lowered, whatever the batch is made of."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from models.training.config import Stage, TrainingConfig
from models.training.objective import ctc_objective
from models.training.schedule import StageSchedule
from models.training.step import FIRST_SCALE, TrainStep, drawn_for
from models.wav2vec2 import Wav2Vec2ForCTC
from tests.models.training.test_loop import MODEL, NOTE_SAMPLES, batch_of, snapshot, spoilt

pytestmark = pytest.mark.usefixtures("untraced")

SMALL = dataclasses.replace(
    MODEL, conv_dim=(8, 8, 8), conv_kernel=(10, 8, 4), conv_stride=(20, 4, 4), hidden_size=16
)
STAGE = Stage("all", 10, 1e-2, "linear")
TEXTS = ("AB", "BA C", "C AB", "A")


@pytest.fixture
def model() -> Wav2Vec2ForCTC:
    return Wav2Vec2ForCTC(SMALL, seed=0)


def step_of(model, **settings) -> TrainStep:
    return TrainStep(model, STAGE, TrainingConfig(stages=(STAGE,), **settings), ctc_objective)


def after(*batches, **settings):
    """The result of one step on a new model, and the weights after it."""
    model = Wav2Vec2ForCTC(SMALL, seed=0)
    result = step_of(model, **settings)(batches, 0)
    return result, snapshot(model)


def assert_close(weights, others) -> None:
    assert weights.keys() == others.keys()
    for path in weights:
        np.testing.assert_allclose(weights[path], others[path], atol=2e-5, err_msg=path)


def rows(batch, start, stop):
    return {name: values[start:stop] for name, values in batch.items()}


def test_the_loss_is_the_mean_of_the_utterances_losses_before_the_step(model):
    batch = batch_of(TEXTS)
    losses = ctc_objective(model, batch).numpy()
    result = step_of(model)([batch], 0)
    assert losses.shape == (len(TEXTS),)
    assert float(result.loss) == pytest.approx(losses.mean(), rel=1e-5)


def test_what_a_step_was_made_of_is_told():
    result, _ = after(batch_of(TEXTS))
    letters = [len(text) for text in TEXTS]
    assert bool(result.applied)
    assert float(result.utterances) == len(TEXTS)
    assert float(result.audio_seconds) == pytest.approx(sum(letters) * NOTE_SAMPLES / 16_000)
    padded = len(TEXTS) * max(letters) * NOTE_SAMPLES / 16_000
    assert float(result.padded_seconds) == pytest.approx(padded)


def test_half_batches_whose_gradients_are_accumulated_make_the_step_of_the_whole_batch():
    whole = batch_of(TEXTS)
    one, weights = after(whole)
    other, accumulated = after(rows(whole, 0, 3), rows(whole, 3, 4))
    assert_close(accumulated, weights)
    for figure, expected in zip(other, one, strict=True):
        assert float(figure) == pytest.approx(float(expected), rel=1e-4)


def test_rows_that_only_fill_up_a_batch_count_for_nothing():
    batch = batch_of(TEXTS)
    filled = {
        name: tf.concat([values, tf.zeros_like(values)], axis=0) for name, values in batch.items()
    }
    result, weights = after(filled)
    expected, without = after(batch)
    assert_close(weights, without)
    assert float(result.loss) == pytest.approx(float(expected.loss), rel=1e-5)
    assert float(result.utterances) == len(TEXTS)
    assert float(result.impossible) == 0
    assert float(result.audio_seconds) == float(expected.audio_seconds)


def test_a_batch_of_fillers_alone_moves_no_weight_to_nan():
    fillers = {name: tf.zeros_like(values) for name, values in batch_of(TEXTS).items()}
    result, weights = after(fillers)
    assert float(result.loss) == float(result.utterances) == 0
    assert all(np.isfinite(values).all() for values in weights.values())


def test_a_gradient_that_is_no_number_leaves_the_weights_and_the_schedule_as_they_were(model):
    before = snapshot(model)
    step = step_of(model)
    rate = step.learning_rate
    result = step([spoilt(batch_of(TEXTS))], 0)
    assert not bool(result.applied)
    assert step.learning_rate == rate
    for path, values in snapshot(model).items():
        np.testing.assert_array_equal(values, before[path])


def test_the_norm_is_told_as_it_was_before_clipping_and_the_scale_of_gradients_is_not_learned():
    loose, weights = after(batch_of(TEXTS), clip_norm=1e9)
    tight, _ = after(batch_of(TEXTS), clip_norm=1e-3)
    assert float(tight.gradient_norm) == pytest.approx(float(loose.gradient_norm), rel=1e-5)
    assert float(tight.gradient_norm) > 1e-3
    scaled, same = after(batch_of(TEXTS), clip_norm=1e9, precision="mixed_float16")
    assert float(scaled.gradient_norm) == pytest.approx(float(loose.gradient_norm), rel=1e-4)
    assert_close(same, weights)


def test_the_rate_is_that_of_the_step_to_come(model):
    step = step_of(model)
    told = []
    for number in range(3):
        told.append(step.learning_rate)
        step([batch_of(TEXTS[:1])], number)
    np.testing.assert_allclose(told, StageSchedule(STAGE)(np.arange(3)), rtol=1e-6)


def test_in_half_precision_the_loss_scale_halves_after_a_gradient_that_overflows(model):
    step = step_of(model, precision="mixed_float16")
    good, bad = batch_of(TEXTS[:1]), spoilt(batch_of(TEXTS[:1]))
    scales = []
    for number, batch in enumerate([good, bad, bad, good]):
        step([batch], number)
        scales.append(step.arrays()["loss_scale"] / FIRST_SCALE)
    assert scales == [1, 0.5, 0.25, 0.25]
    assert step.arrays()["good_steps"] == 1


def test_averaged_weights_are_in_the_model_for_a_while_only(model):
    start, step = snapshot(model), step_of(model, average_momentum=0.75)
    with step.averaged():  # of no step yet
        assert_close(snapshot(model), start)
    seen = []
    for number in range(2):
        step([batch_of(TEXTS)], number)
        seen.append(snapshot(model))
    with step.averaged():
        first, second = seen
        assert_close(
            snapshot(model), {path: 0.75 * first[path] + 0.25 * second[path] for path in first}
        )
    for path, values in snapshot(model).items():
        np.testing.assert_array_equal(values, seen[-1][path])


@pytest.fixture(scope="module")
def logits():
    """What a model with masks and dropout gives in training, for a seed, a batch and a replica."""
    model = Wav2Vec2ForCTC(
        dataclasses.replace(SMALL, mask_time_prob=0.3, mask_time_length=2, hidden_dropout=0.2),
        seed=0,
    )
    batch = batch_of(TEXTS[:2])

    def drawn(seed: int, number: int, replica: int) -> np.ndarray:
        with drawn_for(model, seed, tf.constant(number, tf.int64), replica):
            return model(batch["waveforms"], lengths=batch["lengths"], training=True).numpy()

    return drawn


def test_the_same_is_drawn_for_a_batch_each_time(logits):
    first = logits(1, 5, 0)
    logits(1, 6, 0)
    np.testing.assert_array_equal(logits(1, 5, 0), first)


@pytest.mark.parametrize("other", [(2, 5, 0), (1, 6, 0), (1, 5, 1)])
def test_another_seed_batch_or_replica_draws_otherwise(logits, other):
    assert np.abs(logits(*other) - logits(1, 5, 0)).max() > 1e-3
