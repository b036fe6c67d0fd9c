"""The search finds better recipes, outlives a failed trial and a kill, and says what it did.

What "trains" here is a formula: its lowest WER lies where the learning rate is 5e-4.
"""

import logging
import math

import pytest

from components.tuner.search import RecipeSearch
from models import filesystem
from models.errors import BadInputError, PreemptedError, W2vError
from models.training.config import Stage, TrainingConfig
from models.training.tuning import TuningConfig

RECIPE = TrainingConfig(
    stages=(Stage("head", 100, 1e-3), Stage("all", 900, 1e-4)), mask_time_prob=0.0
)
BEST_RATE = 5e-4


def wer_of(config: TrainingConfig) -> float:
    return abs(math.log(config.stages[-1].learning_rate / BEST_RATE)) / 10


class Formula:
    """Remembers by what it was trained; some of its trainings end as told."""

    def __init__(self, endings=()):
        self.trained, self.folders, self._endings = [], [], dict(endings)

    def __call__(self, config, folder):
        self.trained.append(config)
        self.folders.append(folder)
        filesystem.write_text(filesystem.join(folder, "state"), "as far as it came")
        ending = self._endings.get(len(self.trained))
        if ending is not None:
            raise ending
        return wer_of(config)


def tuning(algorithm="random", trials=4, **settings) -> TuningConfig:
    usual = {"trial_steps": 50, "learning_rate_factor": (0.1, 10.0)}
    usual |= {"dropout": None, "mask_time_prob": None}
    return TuningConfig(**(usual | settings), algorithm=algorithm, trials=trials)


def search_of(folder, train, **settings) -> RecipeSearch:
    return RecipeSearch(RECIPE, tuning(**settings), str(folder), train)


@pytest.mark.parametrize(
    ("algorithm", "trials"), [("random", 12), ("bayesian", 4), ("hyperband", 13)]
)
def test_the_recipe_is_tried_first_and_a_better_one_found(tmp_path, algorithm, trials):
    train = Formula()
    search = search_of(tmp_path, train, algorithm=algorithm, trials=trials)
    search.search()
    first = train.trained[0]
    assert [stage.learning_rate for stage in first.stages] == [1e-3, 1e-4]
    assert len(train.trained) == trials
    best = search.get_best_hyperparameters()[0]
    found = best.get("stage_2_learning_rate")
    assert 1e-5 <= found <= 1e-3
    assert search.trials[0].score == pytest.approx(wer_of(first))
    assert min(map(wer_of, train.trained)) < wer_of(first) / 2
    assert abs(math.log(found / BEST_RATE)) / 10 == min(map(wer_of, train.trained))


def test_a_trial_is_as_long_as_told_with_its_stages_in_proportion(tmp_path):
    train = Formula()
    search_of(tmp_path, train, steps_factor=None).search()
    assert {tuple(stage.steps for stage in one.stages) for one in train.trained} == {(5, 45)}


def test_hyperband_gives_all_steps_to_the_best_of_its_short_trials(tmp_path):
    train = Formula()
    search_of(tmp_path, train, algorithm="hyperband", trials=13, trial_steps=900).search()
    steps = [one.total_steps for one in train.trained]
    assert steps == [100] * 9 + [300] * 3 + [900]
    assert wer_of(train.trained[-1]) == min(map(wer_of, train.trained))


def test_the_same_seed_tries_the_same_and_another_seed_something_else(tmp_path):
    tried = []
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        train = Formula()
        search_of(tmp_path / name, train, seed=seed).search()
        tried.append(train.trained)
    assert tried[0] == tried[1] != tried[2]


def test_a_trial_that_runs_away_fails_with_its_reason_and_the_others_go_on(tmp_path, caplog):
    sentence = "stopped at step 20: the gradients were no numbers"
    train = Formula({2: W2vError(sentence), 3: W2vError("again")})
    search = search_of(tmp_path, train)
    with caplog.at_level(logging.INFO):
        search.search()
        search.results_summary()
    assert len(train.trained) == 4
    rows = caplog.messages[-1].splitlines()[1:]
    assert rows[0].split() == [
        *("trial", "dev", "WER", "stage_1_learning_rate", "stage_1_steps", "stage_2_learning_rate")
    ]
    assert [row.split()[0] for row in rows[3:]] == ["1", "2"]  # the failed ones, last
    assert "failed" in rows[3] and rows[3].endswith(f"  {sentence}")
    learned = [trial for trial in search.trials if trial.score is not None]
    best = min(learned, key=lambda trial: trial.score)
    assert search.get_best_hyperparameters()[0].values == best.hyperparameters.values


def test_where_no_trial_learns_the_run_ends_with_the_reason(tmp_path):
    train = Formula({number: W2vError("no numbers:\nnan, nan") for number in (1, 2, 3, 4)})
    with pytest.raises(W2vError, match=r"Not one of 4 trials .*; the last: no numbers:\nnan, nan$"):
        search_of(tmp_path, train).search()


@pytest.mark.parametrize(
    "error",
    [BadInputError("no utterance in train"), PreemptedError("told to stop"), MemoryError("full")],
)
def test_what_no_other_values_would_mend_ends_the_run_at_once(tmp_path, error):
    train = Formula({2: error})
    with pytest.raises(type(error), match=str(error)):
        search_of(tmp_path, train).search()
    assert len(train.trained) == 2


def test_a_killed_search_goes_on_with_the_trial_that_was_running(tmp_path):
    killed = Formula({3: KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        search_of(tmp_path, killed).search()
    assert [filesystem.exists(folder) for folder in killed.folders] == [False, False, True]
    resumed = Formula()
    search = search_of(tmp_path, resumed)
    search.search()
    assert (resumed.trained[0], resumed.folders[0]) == (killed.trained[2], killed.folders[2])
    assert len(resumed.trained) == 2 and len(search.trials) == 4
    whole = Formula()
    search_of(tmp_path / "other", whole).search()
    assert killed.trained[:2] + resumed.trained == whole.trained


def test_a_finished_search_leaves_nothing_behind(tmp_path):
    search_of(tmp_path / "trials", Formula()).search()
    assert not (tmp_path / "trials").exists()
