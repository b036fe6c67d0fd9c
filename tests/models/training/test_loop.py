"""Fine-tuning: the loss falls, the best weights stay, frozen parts stay frozen."""

from itertools import chain, islice, repeat

import numpy as np
import pytest
import tensorflow as tf

from models import data
from models.audio import normalise, pad_batch
from models.errors import W2vError
from models.training import loop
from models.training.config import Stage, TrainingConfig
from models.training.evaluation import make_recogniser, transcribe, wer_of
from models.training.loop import Surroundings, fine_tune
from models.training.meter import MOST_SKIPPED_IN_A_ROW
from models.vocabulary import Vocabulary
from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC

# Sung utterances: each letter is a tone of its own, a space is silence.
TONES = {"A": 400, "B": 1100, "C": 2700, " ": 0}
NOTE_SAMPLES = 2400
TEXTS = (("AB", "BA C", "C AB", "ACB"), ("B C", "CAB A", "BC", "A CA"))
VOCABULARY = Vocabulary.of_characters("ABC")
# Nothing drawn at random, so that what is learned is learned the same each time.
MODEL = Wav2Vec2Config(
    vocab_size=len(VOCABULARY.tokens),
    conv_dim=(16,) * 7,
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    num_conv_pos_embeddings=16,
    num_conv_pos_embedding_groups=4,
    mask_time_prob=0.0,
    feat_proj_dropout=0.0,
    hidden_dropout=0.0,
    activation_dropout=0.0,
    attention_dropout=0.0,
    final_dropout=0.0,
    layerdrop=0.0,
)


def sung(text: str) -> np.ndarray:
    seconds = np.arange(NOTE_SAMPLES) / 16_000
    notes = [
        np.sin(2 * np.pi * TONES[letter] * seconds) * np.hanning(NOTE_SAMPLES) for letter in text
    ]
    noise = np.random.default_rng(len(text)).normal(0, 0.01, NOTE_SAMPLES * len(text))
    return normalise((np.concatenate(notes) + noise).astype(np.float32))


def batch_of(texts) -> data.Batch:
    """What the input pipeline would give for these utterances."""
    labels = [VOCABULARY.encode(text) for text in texts]
    longest = max(map(len, labels))
    batch = pad_batch([sung(text) for text in texts]) | {
        "labels": np.array([row + [0] * (longest - len(row)) for row in labels], np.int32),
        "label_lengths": np.array([len(row) for row in labels], np.int32),
    }
    return {name: tf.constant(value) for name, value in batch.items()}


@pytest.fixture(scope="module")
def batches() -> list[data.Batch]:
    return [batch_of(texts) for texts in TEXTS]


@pytest.fixture
def model() -> Wav2Vec2ForCTC:
    return Wav2Vec2ForCTC(MODEL, seed=0)


def endless(batches):
    return chain.from_iterable(repeat(batches))


def spoilt(batch):
    """The batch with a sample that is not a number."""
    waveforms = batch["waveforms"].numpy()
    waveforms[0, 0] = np.nan
    return batch | {"waveforms": tf.constant(waveforms)}


def recipe(*stages: Stage, evaluate_every: int = 1000, **settings) -> TrainingConfig:
    return TrainingConfig(stages=stages, evaluate_every=evaluate_every, **settings)


def train(model, batches, dev, config):
    return fine_tune(model, VOCABULARY, lambda start: islice(batches, start, None), dev, config)


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


@pytest.mark.parametrize(
    ("trains", "parts"),
    [
        ("head", {"lm_head"}),
        ("all_but_feature_encoder", {"feature_projection", "encoder", "lm_head"}),
        ("all", {"feature_encoder", "feature_projection", "encoder", "lm_head"}),
    ],
)
def test_a_stage_changes_what_it_trains_and_not_one_bit_of_the_rest(model, batches, trains, parts):
    before = snapshot(model)
    train(model, endless(batches), batches, recipe(Stage(trains, 2, 1e-2)))
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


@pytest.fixture(scope="module")
def learned_and_wrecked(batches):
    """A model that learned the utterances and was then wrecked by a mad learning rate."""
    model = Wav2Vec2ForCTC(MODEL, seed=0)
    dev = Watched(model, batches)
    learn, wreck = Stage("all", 60, 1e-2, "constant"), Stage("all", 20, 5.0, "constant")
    history = train(model, endless(batches), dev, recipe(learn, wreck, evaluate_every=20))
    return model, dev, history


def test_training_on_a_handful_of_utterances_learns_them(learned_and_wrecked):
    *_, history = learned_and_wrecked
    losses = dict(history.losses)
    assert list(losses) == list(range(10, 81, 10))
    assert losses[60] < 0.3 * losses[10]
    assert [one.step for one in history.evaluations] == [0, 20, 40, 60, 80]
    assert history.initial_wer >= 0.9
    assert history.best.wer < 0.3
    assert history.skipped_steps == 0


def test_the_model_ends_with_its_best_weights_not_its_last(learned_and_wrecked, batches):
    model, dev, history = learned_and_wrecked
    assert history.best.step == 60
    assert history.evaluations[-1].wer > history.best.wer
    best_seen = dev.seen[3]  # the first look was before training
    assert all(map(np.array_equal, model.get_weights(), best_seen))
    samples = transcribe(make_recogniser(model, VOCABULARY), VOCABULARY, batches)
    assert wer_of(samples) == history.best.wer


def test_a_model_that_only_gets_worse_keeps_the_weights_it_came_with(batches):
    model = Wav2Vec2ForCTC(MODEL, seed=0)
    train(model, endless(batches), batches, recipe(Stage("all", 80, 1e-2, "constant")))
    learned = model.get_weights()
    history = train(model, endless(batches), batches, recipe(Stage("all", 20, 5.0, "constant")))
    assert history.best.step == 0
    assert all(map(np.array_equal, model.get_weights(), learned))


@pytest.mark.usefixtures("untraced")
def test_a_bad_batch_is_counted_and_leaves_the_weights_as_they_were(model, batches):
    before = snapshot(model)
    bad = endless([spoilt(batch) for batch in batches])
    history = train(model, bad, batches, recipe(Stage("head", 3, 1e-2)))
    assert history.skipped_steps == 3
    assert changed(before, model) == set()


@pytest.mark.usefixtures("untraced")
def test_a_transcript_too_long_for_its_audio_is_counted_and_teaches_nothing(model, batches):
    before = snapshot(model)
    lengths = tf.fill([batches[0]["lengths"].shape[0]], 400)  # one frame
    short = batches[0] | {"lengths": lengths}
    history = train(model, endless([short]), batches, recipe(Stage("head", 2, 1e-2)))
    assert history.impossible_transcripts == 2 * sum(len(text) > 1 for text in TEXTS[0])
    assert history.skipped_steps == 0
    assert changed(before, model) == set()


def test_training_goes_on_after_bad_batches_however_many_in_all(model, batches):
    almost_too_many = [spoilt(batches[0])] * (MOST_SKIPPED_IN_A_ROW - 1)
    given = [*almost_too_many, batches[0], *almost_too_many, batches[1]]
    history = train(
        model, iter(given), batches, recipe(Stage("head", len(given), 1e-2, "constant"))
    )
    assert history.skipped_steps == len(given) - 2
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    step, loss = history.losses[-1]
    assert step == len(given)
    assert np.isfinite(loss)


def test_too_many_bad_batches_in_a_row_stop_training_with_the_cure(model, batches):
    with pytest.raises(
        W2vError, match=r"stopped at step 20: .* 20 times in a row; lower the learning rate \(0\.01"
    ):
        train(model, repeat(spoilt(batches[0])), batches, recipe(Stage("head", 100, 1e-2)))


def test_static_shapes_train_the_same_weights(batches):
    trained = []
    for static in (False, True):
        model = Wav2Vec2ForCTC(MODEL, seed=0)
        config = recipe(Stage("head", 4, 1e-3, "constant"), static_shapes=static)
        train(model, endless(batches), batches, config)
        trained.append(model.lm_head.get_weights())
    for dynamic, static in zip(*trained, strict=True):
        np.testing.assert_allclose(dynamic, static, atol=1e-5)


class Notes:
    """A watcher that keeps all that it is told."""

    def __init__(self) -> None:
        self.steps, self.evaluations, self.closed = [], [], 0

    def step(self, report) -> None:
        self.steps.append(report)

    def evaluation(self, report) -> None:
        self.evaluations.append(report)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.usefixtures("untraced")
def test_watchers_are_told_every_ten_steps_at_each_evaluation_and_at_the_end(model, batches):
    watcher = Notes()
    config = recipe(Stage("head", 12, 1e-3), Stage("head", 11, 1e-4), evaluate_every=15)
    history = fine_tune(
        model,
        VOCABULARY,
        lambda start: islice(endless(batches), start, None),
        batches,
        config,
        surroundings=Surroundings(watchers=[watcher]),
    )
    told = [(one.step, one.total_steps, one.stage) for one in watcher.steps]
    assert told == [(10, 23, 0), (12, 23, 0), (15, 23, 1), (20, 23, 1), (23, 23, 1)]
    assert history.losses == [(one.step, one.loss) for one in watcher.steps]
    assert [one.utterances for one in watcher.steps] == [40, 8, 12, 20, 12]
    letters = [sum(map(len, texts)) for texts in TEXTS]
    heard = (12 * letters[0] + 11 * letters[1]) * NOTE_SAMPLES / 16_000
    assert sum(one.audio_seconds for one in watcher.steps) == pytest.approx(heard)
    assert history.audio_seconds == pytest.approx(heard)
    assert history.padded_seconds > heard
    assert history.seconds > 0
    heard_at = [(one.step, one.wer) for one in watcher.evaluations]
    assert heard_at == [(one.step, one.wer) for one in history.evaluations]
    assert [step for step, _ in heard_at] == [0, 15, 23]
    references = [sample.reference for sample in watcher.evaluations[0].samples]
    assert references == [text for texts in TEXTS for text in texts]
    assert watcher.closed == 1


@pytest.fixture
def dev_says(monkeypatch, untraced):
    """The WER of one look at dev after the other."""

    def say(*wers: float) -> None:
        said = iter(wers)
        monkeypatch.setattr(loop, "wer_of", lambda samples: next(said))

    return say


@pytest.mark.parametrize("mean_wer", [0.2, 0.3, 0.4])
def test_the_mean_of_the_best_weights_is_kept_only_if_dev_is_no_worse(batches, dev_says, mean_wer):
    model = Wav2Vec2ForCTC(MODEL, seed=0)
    dev = Watched(model, batches[:1])
    dev_says(0.9, 0.3, 0.5, 0.4, mean_wer)
    config = recipe(Stage("head", 3, 1e-2), evaluate_every=1, average_best=2)
    history = train(model, endless(batches), dev, config)
    _, best, _, second, mean = dev.seen
    for kept, one, other in zip(mean, best, second, strict=True):
        np.testing.assert_allclose(kept, (one + other) / 2, atol=1e-7)
    expected, steps = (mean, [1, 3]) if mean_wer <= 0.3 else (best, [1])
    assert history.kept == steps
    assert all(map(np.array_equal, model.get_weights(), expected))


def test_a_stage_without_gain_ends_early_and_the_next_begins(model, batches, dev_says):
    # Before training; in stage one; in stage two.
    dev_says(0.9, *[0.5, 0.6, 0.5], *[0.6, 0.4, 0.4, 0.4])
    config = recipe(Stage("head", 9, 1e-3), Stage("head", 9, 1e-3), evaluate_every=2, patience=2)
    watcher = Notes()
    history = fine_tune(
        model,
        VOCABULARY,
        lambda start: islice(endless(batches), start, None),
        batches[:1],
        config,
        surroundings=Surroundings(watchers=[watcher]),
    )
    assert [one.step for one in history.evaluations] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert history.stopped_early == [6, 14]
    assert (history.best.step, history.best.wer) == (14, 0.4)
    told = [(one.step, one.total_steps, one.stage) for one in watcher.steps]
    early = [(2, 18, 0), (4, 18, 0), (6, 15, 0)]
    assert told == [*early, (8, 15, 1), (10, 15, 1), (12, 15, 1), (14, 14, 1)]
