"""Fine-tuning that is killed, at whatever moment, ends as if it had never been."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models import filesystem
from models.errors import BadInputError, PreemptedError
from models.training.checkpoints import Checkpoints
from models.training.config import Stage, TrainingConfig
from models.training.energy import Energy
from models.training.history import History
from models.training.loop import Surroundings, fine_tune
from models.wav2vec2 import Wav2Vec2ForCTC
from tests.models.training.test_loop import MODEL, TEXTS, VOCABULARY, batch_of, spoilt

# Everything that is drawn at random is on: a mask, dropout, layers that are left out.
RANDOM_MODEL = dataclasses.replace(
    MODEL,
    conv_dim=(8, 8, 8),
    conv_kernel=(10, 8, 4),
    conv_stride=(20, 4, 4),
    hidden_size=16,
    intermediate_size=16,
    num_hidden_layers=2,
    mask_time_prob=0.3,
    mask_time_length=2,
    hidden_dropout=0.1,
    attention_dropout=0.1,
    layerdrop=0.3,
)
# As dev gets no better, the first stage ends early, at step 4.
RECIPE = TrainingConfig(
    stages=(Stage("head", 6, 1e-2), Stage("all_but_feature_encoder", 3, 1e-2)),
    evaluate_every=2,
    checkpoint_every=3,
    patience=2,
    average_momentum=0.5,
    average_best=2,
)
UNREADABLE, NOT_A_NUMBER = 1, 3


pytestmark = pytest.mark.usefixtures("untraced")


class Batches:
    """Batches without end from the n-th on: one cannot be read, one is no number."""

    def __init__(self, start: int) -> None:
        self.number = start - 1
        self.kinds = [batch_of(texts) for texts in TEXTS]

    def __iter__(self):
        return self

    def __next__(self):
        self.number += 1
        if self.number == UNREADABLE:
            raise tf.errors.InvalidArgumentError(None, None, "odd number of bytes")
        batch = self.kinds[self.number % len(self.kinds)]
        return spoilt(batch) if self.number == NOT_A_NUMBER else batch


class Killed(BaseException):
    """Nothing that a training catches."""


@dataclasses.dataclass
class Moments:
    """Kills a process whenever training comes to a moment that it never came to before."""

    seen: list[str] = dataclasses.field(default_factory=list)
    deadly: bool = True

    def come(self, moment: str) -> None:
        if moment not in self.seen:
            self.seen.append(moment)
            if self.deadly:
                raise Killed


@pytest.fixture
def train(monkeypatch):
    """Train in a folder as one process would, from a new model."""

    def in_one_process(folder: Path, moments: Moments, config=RECIPE, **around):
        done = 0

        def before_step(step: int) -> None:
            nonlocal done
            moments.come(f"before step {step}")
            done = step

        class Dev:
            def __iter__(self):
                moments.come(f"evaluation after step {done}")
                yield batch_of(TEXTS[0])
                moments.come(f"amid the evaluation after step {done}")

        def rename_file(source: str, target: str) -> None:
            name = str(Path(target).relative_to(folder))
            moments.come(f"written, not yet named: {name}")
            rename(source, target)
            moments.come(f"just named: {name}")

        rename = filesystem.rename_file
        with monkeypatch.context() as patched:
            patched.setattr(filesystem, "rename_file", rename_file)
            model = Wav2Vec2ForCTC(RANDOM_MODEL, seed=0)
            surroundings = Surroundings(str(folder), before_step=before_step, **around)
            history = fine_tune(
                model, VOCABULARY, Batches, Dev(), config, surroundings=surroundings
            )
        return model, history

    return in_one_process


@pytest.fixture(scope="module")
def folder_of_the_undisturbed(tmp_path_factory):
    return tmp_path_factory.mktemp("undisturbed")


@pytest.fixture
def undisturbed(train, folder_of_the_undisturbed):
    """It is trained once; whoever comes later finds it finished."""
    return train(folder_of_the_undisturbed, Moments(deadly=False))


def assert_the_same(one, other) -> None:
    """Every bit of the weights, and every figure that is no time."""
    (model, history), (other_model, other_history) = one, other
    for weights, others in zip(model.get_weights(), other_model.get_weights(), strict=True):
        assert np.array_equal(weights, others)
    assert timeless(history) == timeless(other_history)


def timeless(history: History) -> History:
    return dataclasses.replace(history, seconds=0.0, waited_seconds=0.0, kilowatt_hours=0.0)


def until_done(train, folder, moments):
    while True:
        try:
            return train(folder, moments)
        except Killed:
            pass


def test_a_training_killed_at_each_of_its_moments_ends_to_the_bit_as_one_never_killed(
    train, undisturbed, tmp_path
):
    moments = Moments()
    ended = until_done(train, tmp_path, moments)
    assert_the_same(ended, undisturbed)
    # What that training went through, and was killed amid:
    _, history = ended
    assert [one.step for one in history.evaluations] == [0, 2, 4, 6, 7]
    assert history.stopped_early == [4]
    assert (history.skipped_steps, history.skipped_batches) == (1, 1)
    assert len(history.kept) in (1, 2)
    assert len(moments.seen) > 25


def test_a_training_that_has_ended_is_not_trained_again(
    undisturbed, train, folder_of_the_undisturbed
):
    moments = Moments(deadly=False)
    again = train(folder_of_the_undisturbed, moments)
    assert_the_same(again, undisturbed)
    assert not [moment for moment in moments.seen if moment.startswith("before step")]


def told_at(moments: Moments, moment: str):
    """The machine is about to be taken away from this moment on."""
    return lambda: moment in moments.seen


@pytest.mark.parametrize(
    ("moment", "last"),
    [
        ("evaluation after step 0", 0),
        ("before step 3", 3),
        ("before step 4", 4),
        ("evaluation after step 4", 4),
        ("amid the evaluation after step 6", 6),
        ("evaluation after step 7", 7),
    ],
)
def test_a_training_that_is_told_to_stop_saves_that_very_step_and_goes_on_from_it(
    train, undisturbed, tmp_path, moment, last
):
    spent = dict.fromkeys(("first", "second"), 0.0)

    def spent_by(process: str):
        def one_kilowatt_hour() -> Energy:
            spent[process] += 1.0
            return Energy(1.0)

        return one_kilowatt_hour

    moments = Moments(deadly=False)
    with pytest.raises(PreemptedError, match=f"told to stop after step {last};"):
        train(tmp_path, moments, must_stop=told_at(moments, moment), energy_spent=spent_by("first"))
    moments = Moments(deadly=False)
    ended = train(tmp_path, moments, energy_spent=spent_by("second"))
    assert_the_same(ended, undisturbed)
    assert ended[1].kilowatt_hours == pytest.approx(sum(spent.values()))
    assert spent["second"] and bool(spent["first"]) == bool(last)
    steps = [moment for moment in moments.seen if moment.startswith("before step")]
    assert steps == [f"before step {step}" for step in range(last + 1, 8)]


def test_an_evaluation_is_broken_off_when_the_machine_is_about_to_be_taken_away(train, tmp_path):
    moments = Moments(deadly=False)
    with pytest.raises(PreemptedError):
        train(tmp_path, moments, must_stop=told_at(moments, "before step 4"))
    assert "evaluation after step 4" in moments.seen
    assert "amid the evaluation after step 4" not in moments.seen


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_state_cut_in_half_is_told_and_training_goes_on_from_the_one_before(
    train, undisturbed, tmp_path, caplog
):
    moments = Moments(deadly=False)
    with pytest.raises(PreemptedError):
        train(tmp_path, moments, must_stop=told_at(moments, "before step 6"))
    older, newest = sorted((tmp_path / "states").iterdir())
    halve(newest)
    moments = Moments(deadly=False)
    assert_the_same(train(tmp_path, moments), undisturbed)
    assert f"The checkpoint {newest} is damaged" in caplog.text
    assert older.name == "step-000000004.safetensors"
    assert moments.seen[0] == "before step 5"


@pytest.mark.parametrize("damage", [halve, Path.unlink])
def test_where_the_best_weights_are_lost_the_next_best_are_kept_with_a_warning(
    train, folder_of_the_undisturbed, undisturbed, tmp_path, damage, caplog
):
    shutil.copytree(folder_of_the_undisturbed, tmp_path, dirs_exist_ok=True)
    best, second, third = undisturbed[1].best_few(3)
    weights = Checkpoints(str(tmp_path / "weights"))
    damage(tmp_path / "weights" / f"step-{best.step:09d}.safetensors")
    one_of_them = dataclasses.replace(RECIPE, average_best=1)
    model, history = train(tmp_path, Moments(deadly=False), one_of_them)
    assert f"the weights of step {best.step} (dev WER" in caplog.text
    assert history.kept == [second.step]
    kept = weights.load(second.step).arrays
    for variable in model.trainable_variables:
        np.testing.assert_array_equal(variable.numpy(), kept[variable.path])
    assert weights.load(third.step)  # a mean of two had one to fall back on


def test_where_no_weights_of_an_evaluation_are_left_the_last_ones_are_kept(
    train, folder_of_the_undisturbed, undisturbed, tmp_path, caplog
):
    shutil.copytree(folder_of_the_undisturbed / "states", tmp_path / "states")
    model, history = train(tmp_path, Moments(deadly=False))
    last = Checkpoints(str(tmp_path / "states")).newest()
    assert history.kept == [last.step] == [7]
    for variable in model.trainable_variables:
        np.testing.assert_array_equal(variable.numpy(), last.arrays[variable.path])
    assert "the model keeps its last" in caplog.text


def test_training_goes_on_where_nothing_can_be_written(train, undisturbed, tmp_path, caplog):
    folder = tmp_path / "folder"
    folder.write_text("a file is where the folder should be")
    without_mean = dataclasses.replace(RECIPE, average_momentum=None)
    _, history = train(folder, Moments(deadly=False), without_mean)
    assert [one.step for one in history.evaluations] == [0, 2, 4, 6, 7]
    assert "could not be written" in caplog.text
    assert history.kept == [7]


def test_where_no_state_can_be_saved_any_more_the_weights_do_not_pile_up(train, tmp_path, caplog):
    moments = Moments(deadly=False)

    def blocked_before_step_3() -> bool:
        seen = set(moments.seen)
        if "amid the evaluation after step 2" in seen and "before step 3" not in seen:
            for step in range(3, 8):
                path = tmp_path / "states" / f"step-{step:09d}.safetensors"
                path.mkdir(exist_ok=True)  # where the file should come
        return False

    config = dataclasses.replace(RECIPE, average_best=1)
    _, history = train(tmp_path, moments, config, must_stop=blocked_before_step_3)
    assert "could not be written" in caplog.text
    assert [one.step for one in history.evaluations] == [0, 2, 4, 6, 7]
    # The two best, and those of the state of step 2, from which a next process would go on.
    wanted = {0, 2} | {one.step for one in history.best_few(2)}
    assert Checkpoints(str(tmp_path / "weights")).steps() == sorted(wanted)
    assert len(wanted) < 5


@pytest.mark.parametrize(
    ("model", "recipe"),
    [
        (dataclasses.replace(RANDOM_MODEL, intermediate_size=8), RECIPE),
        (dataclasses.replace(RANDOM_MODEL, num_hidden_layers=3), RECIPE),
        (RANDOM_MODEL, dataclasses.replace(RECIPE, average_momentum=None)),
        (RANDOM_MODEL, dataclasses.replace(RECIPE, stages=RECIPE.stages[:1])),
    ],
    ids=["another width", "another layer", "no moving average", "fewer stages"],
)
def test_the_unfinished_training_of_another_model_or_recipe_is_refused(
    undisturbed, folder_of_the_undisturbed, model, recipe
):
    surroundings = Surroundings(str(folder_of_the_undisturbed))
    with pytest.raises(BadInputError, match="states holds an unfinished training of another model"):
        fine_tune(
            Wav2Vec2ForCTC(model, seed=0),
            VOCABULARY,
            Batches,
            [],
            recipe,
            surroundings=surroundings,
        )
