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


@pytest.mark.parametrize(
    ("trains", "parts"),
    [
        ("head", {"lm_head"}),
        ("all_but_feature_encoder", {"feature_projection", "encoder", "lm_head"}),
        ("all", {"feature_encoder", "feature_projection", "encoder", "lm_head"}),
    ],
)
def test_a_stage_changes_what_it_trains_and_not_one_bit_of_the_rest(
    model, vocabulary, batches, trains, parts
):
    before = snapshot(model)
    fine_tune(model, vocabulary, endless(batches), batches, recipe(Stage(trains, 2, 1e-2)))
    assert changed(before, model) == parts
    # What a stage froze is free again for whoever trains next.
    assert len(model.trainable_variables) == len(before)


class Watched:
    """The dev split, which notes the model's weights whenever it is read."""

    def __init__(self, model, batches) -> None:
        self.model, self.batches, self.seen = model, batches, []

    def __iter__(self):
        self.seen.append(self.model.get_weights())
        return iter(self.batches)


def test_the_model_ends_with_its_best_weights_not_its_last(model, vocabulary, batches):
    dev = Watched(model, batches)
    learn, wreck = Stage("all", 60, 5e-3, "constant"), Stage("all", 20, 5.0, "constant")
    history = fine_tune(
        model, vocabulary, endless(batches), dev, recipe(learn, wreck, evaluate_every=20)
    )
    assert history.evaluations[-1].wer > history.best.wer
    best = [one.step for one in history.evaluations].index(history.best.step)
    weights = dev.seen[1 + best]  # the first look was before training
    assert all(map(np.array_equal, model.get_weights(), weights))
    assert dev_wer(make_recogniser(model, vocabulary), vocabulary, batches) == history.best.wer


def test_a_bad_batch_is_counted_and_leaves_the_weights_as_they_were(model, vocabulary, batches):
    before = snapshot(model)
    history = fine_tune(
        model,
        vocabulary,
        endless([spoilt(batch) for batch in batches]),
        batches,
        recipe(Stage("all", 3, 1e-2)),
    )
    assert history.skipped_steps == 3
    assert changed(before, model) == set()


def test_training_goes_on_after_bad_batches_however_many_in_all(model, vocabulary, batches):
    almost_too_many = [spoilt(batches[0])] * (loop.MOST_SKIPPED_IN_A_ROW - 1)
    steps = 2 * len(almost_too_many) + 2
    history = fine_tune(
        model,
        vocabulary,
        iter([*almost_too_many, batches[0], *almost_too_many, batches[1]]),
        batches,
        recipe(Stage("head", steps, 1e-2, "constant")),
    )
    assert history.skipped_steps == steps - 2
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    assert history.losses[-1][0] == steps and np.isfinite(history.losses[-1][1])


def test_too_many_bad_batches_in_a_row_stop_training_with_the_cure(model, vocabulary, batches):
    with pytest.raises(
        W2vError, match=r"stopped at step 20: .* 20 times in a row; lower the learning rate \(0\.01"
    ):
        fine_tune(
            model,
            vocabulary,
            endless([spoilt(batches[0])]),
            batches,
            recipe(Stage("head", 100, 1e-2)),
        )


def test_static_shapes_train_the_same_weights(tiny_checkpoint, vocabulary, batches):
    trained = []
    for static in (False, True):
        config = recipe(Stage("head", 4, 1e-3, "constant"), static_shapes=static)
        model = load_for_training(
            str(tiny_checkpoint), config, new_head=False, vocab_size=len(vocabulary.tokens)
        )
        fine_tune(model, vocabulary, endless(batches), batches, config)
        trained.append(model.lm_head.get_weights())
    for dynamic, static in zip(*trained, strict=True):
        np.testing.assert_allclose(dynamic, static, atol=1e-5)


def test_progress_is_told_every_ten_steps_and_at_the_end(model, vocabulary, batches, caplog):
    config = recipe(Stage("head", 23, 1e-3))
    with caplog.at_level(logging.INFO, logger=LOGGER_NAME):
        history = fine_tune(model, vocabulary, endless(batches), batches, config)
    told = [record.progress for record in caplog.records if hasattr(record, "progress")]
    assert [(one.step, one.done, one.total) for one in told] == [
        ("Fine-tuning", done, 23) for done in (10, 20, 23)
    ]
    assert told[-1].note == f"loss {history.losses[-1][1]:.3f}"
    heard = sum(float(tf.reduce_sum(batch["lengths"])) for batch in batches) / 16_000
    first = float(tf.reduce_sum(batches[0]["lengths"])) / 16_000
    assert history.audio_seconds == pytest.approx(11 * heard + first)
    assert history.seconds > 0


def test_the_dev_wer_is_that_of_the_greedy_texts_against_the_labels(vocabulary, batches):
    said = iter([["CALL ANNA"] * 4, ["CALL ANNA"] * 4])

    def parrot(waveforms, lengths):
        return tf.constant(next(said))

    references = [
        vocabulary.spell(labels[:length])
        for batch in batches
        for labels, length in zip(
            batch["labels"].numpy(), batch["label_lengths"].numpy(), strict=True
        )
    ]
    words = [text.split() for text in references]
    assert "CALL ANNA" in references
    # Each other reference shares no word with it: all of its words are wrong, or too few.
    errors = sum(max(len(one), 2) for one in words if one != ["CALL", "ANNA"])
    assert dev_wer(parrot, vocabulary, batches) == pytest.approx(errors / sum(map(len, words)))
