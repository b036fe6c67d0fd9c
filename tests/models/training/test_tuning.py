"""What a tuning varies in a recipe, and what its values make of it."""

from dataclasses import replace

import pytest

from models.training.config import Stage, TrainingConfig
from models.training.tuning import TuningConfig, knobs, shortened, tuned

RECIPE = TrainingConfig(
    stages=(Stage("head", 100, 1e-3), Stage("all", 900, 1e-4)),
    mask_time_prob=0.05,
    dropout=0.1,
    average_best=3,
    profile_steps=(3, 5),
)


def test_each_stage_has_a_rate_of_its_own_and_all_but_the_last_a_length():
    found = {knob.name: knob for knob in knobs(RECIPE, TuningConfig(trial_steps=10))}
    assert list(found) == [
        "stage_1_learning_rate",
        "stage_1_steps",
        "stage_2_learning_rate",
        "mask_time_prob",
        "dropout",
    ]
    rate, steps = found["stage_2_learning_rate"], found["stage_1_steps"]
    assert (rate.low, rate.recipe, rate.high) == pytest.approx((3e-5, 1e-4, 3e-4))
    assert (steps.low, steps.recipe, steps.high) == (50, 100, 150)


def test_the_recipe_itself_is_among_what_is_searched():
    values = {knob.name: knob.recipe for knob in knobs(RECIPE, TuningConfig(trial_steps=10))}
    assert tuned(RECIPE, values) == RECIPE


def test_a_span_that_is_null_is_not_searched():
    tuning = TuningConfig(trial_steps=10, steps_factor=None, mask_time_prob=None, dropout=None)
    names = [knob.name for knob in knobs(RECIPE, tuning)]
    assert names == ["stage_1_learning_rate", "stage_2_learning_rate"]


def test_tuned_values_reach_the_recipe_which_stays_as_long():
    found = {"stage_1_steps": 150, "stage_2_learning_rate": 2e-4, "mask_time_prob": 0.0}
    recipe = tuned(RECIPE, found | {"tuner/epochs": 3, "tuner/bracket": 2})
    assert recipe.stages == (Stage("head", 150, 1e-3), Stage("all", 850, 2e-4))
    assert recipe.mask_time_prob == 0.0
    assert recipe.total_steps == RECIPE.total_steps


def test_a_shortened_recipe_keeps_the_proportions_of_its_stages():
    short = shortened(RECIPE, 50)
    assert [stage.steps for stage in short.stages] == [5, 45]
    assert [stage.learning_rate for stage in short.stages] == [1e-3, 1e-4]
    assert short.profile_steps is None  # of steps that there are no more
    assert short.average_best == 1  # a trial is judged by its best evaluation
    assert [stage.steps for stage in shortened(RECIPE, 2).stages] == [1, 2]
    assert shortened(RECIPE, 5000).stages == RECIPE.stages


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"trials": 0}, r"tuning\.trials must be at least 1, not 0"),
        ({"trial_steps": 0}, r"tuning\.trial_steps must be at least 1, not 0"),
        ({"algorithm": "hyperband", "trials": 12}, r"at least 13 for hyperband.* not 12"),
        ({"learning_rate_factor": (2.0, 3.0)}, r"tuning\.learning_rate_factor must .*\[2, 3\]"),
        ({"steps_factor": (0.0, 2.0)}, r"tuning\.steps_factor must go from above 0"),
        ({"steps_factor": (0.5, float("inf"))}, r"tuning\.steps_factor .*\[0\.5, inf\]"),
        ({"dropout": (0.2, 0.1)}, r"tuning\.dropout must be two growing numbers.*\[0\.2, 0\.1\]"),
        ({"dropout": (0.0, 1.0)}, r"tuning\.dropout must end below 1"),
        (
            dict.fromkeys(("learning_rate_factor", "steps_factor", "mask_time_prob", "dropout")),
            "name at least one span",
        ),
    ],
)
def test_a_tuning_of_nonsense_is_refused_by_its_key(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        TuningConfig(**({"trial_steps": 10} | settings))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps_factor": (0.5, 10.0)}, r"tuning\.steps_factor leaves the last stage no step"),
        ({"mask_time_prob": (0.1, 0.2)}, r"must hold training\.mask_time_prob \(0\.05\)"),
    ],
)
def test_a_tuning_that_does_not_fit_the_recipe_is_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        knobs(RECIPE, TuningConfig(trial_steps=10, **settings))


@pytest.mark.parametrize("name", ["mask_time_prob", "dropout"])
def test_what_is_left_to_the_checkpoint_is_not_varied_before_it_is_named(name):
    left = replace(RECIPE, **{name: None})
    sentence = rf"tuning\.{name} varies training\.{name}, which is not named: name it, or set "
    with pytest.raises(ValueError, match=rf"{sentence}tuning\.{name}: null"):
        knobs(left, TuningConfig(trial_steps=10))
    found = knobs(left, TuningConfig(trial_steps=10, **{name: None}))
    assert name not in {knob.name for knob in found}
