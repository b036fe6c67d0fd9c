"""The recipe refuses nonsense before anything is trained."""

import math

import pytest

from models.training.config import Stage, TeacherConfig, TrainingConfig

GOOD_STAGE = {"trains": "head", "steps": 1, "learning_rate": 1e-3}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": 0}, "steps must be at least 1, not 0"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0 and finite, not 0"),
        ({"learning_rate": -1e-3}, r"learning_rate must be above 0 and finite, not -0\.001"),
        ({"learning_rate": math.inf}, "learning_rate must be above 0 and finite, not inf"),
        ({"learning_rate": math.nan}, "learning_rate must be above 0 and finite, not nan"),
        ({"warm_up": -0.1}, r"warm_up \(-0\.1\) and hold \(0\.4\) must leave steps to decay"),
        ({"hold": -0.1}, r"warm_up \(0\.1\) and hold \(-0\.1\) must leave"),
        ({"warm_up": 0.5, "hold": 0.5}, r"warm_up \(0\.5\) and hold \(0\.5\) must leave"),
        ({"final": 0.0}, "final must be above 0 and at most 1: 0"),
        ({"final": 1.5}, r"final must be above 0 and at most 1: 1\.5"),
    ],
)
def test_a_stage_of_nonsense_is_refused_by_its_key(settings, sentence):
    with pytest.raises(ValueError, match=rf"training\.stages: {sentence}"):
        Stage(**(GOOD_STAGE | settings))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"stages": ()}, r"training\.stages: name at least one stage"),
        ({"batch_size": 0}, r"training\.batch_size must be at least 1, not 0"),
        ({"evaluate_every": 0}, r"training\.evaluate_every must be at least 1, not 0"),
        ({"accumulate": 0}, r"training\.accumulate must be at least 1, not 0"),
        ({"average_best": 0}, r"training\.average_best must be at least 1, not 0"),
        ({"patience": 0}, r"training\.patience must be at least 1, not 0"),
        ({"checkpoint_every": 0}, r"training\.checkpoint_every must be at least 1, not 0"),
        (
            {"average_momentum": 1.0},
            r"training\.average_momentum must be between 0 and 1, .* not 1",
        ),
        (
            {"average_momentum": 0.0},
            r"training\.average_momentum must be between 0 and 1, .* not 0",
        ),
        ({"profile_steps": (5, 5)}, r"training\.profile_steps: 5 must come after 5, above 0"),
        ({"profile_steps": (0, 5)}, r"training\.profile_steps: 5 must come after 0, above 0"),
        ({"dev_batches": 0}, r"training\.dev_batches must be at least 1, not 0"),
        ({"mask_time_length": 0}, r"training\.mask_time_length must be at least 1, not 0"),
        ({"clip_norm": 0.0}, r"training\.clip_norm must be above 0 and finite, not 0"),
        ({"clip_norm": math.nan}, r"training\.clip_norm must be above 0 and finite, not nan"),
        ({"weight_decay": -0.1}, r"weight_decay must be at least 0 and finite, not -0\.1"),
        ({"weight_decay": math.inf}, r"weight_decay must be at least 0 and finite, not inf"),
        ({"seed": -1}, r"training\.seed must be at least 0 and below 2147483648, not -1"),
        ({"seed": 2**31}, r"training\.seed must .* below 2147483648, not 2147483648"),
        (
            {"stages": (Stage("head", 7, 1e-3),), "profile_steps": (5, 9)},
            r"training\.profile_steps: 9 must be at most 8, the one after the last step",
        ),
        ({"mask_time_prob": 1.5}, r"training\.mask_time_prob must be between 0 and 1, not 1\.5"),
        ({"dropout": -0.1}, r"training\.dropout must be at least 0 and below 1, not -0\.1"),
        ({"dropout": 1.0}, r"training\.dropout must be at least 0 and below 1, not 1"),
        ({"layerdrop": 2.0}, r"training\.layerdrop must be between 0 and 1, not 2"),
    ],
)
def test_a_recipe_of_nonsense_is_refused_by_its_key(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        TrainingConfig(**settings)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["logit_weight", "feature_weight", "temperature"])
def test_a_teacher_that_weighs_no_number_is_refused_by_its_key(name, value):
    with pytest.raises(ValueError, match=rf"model\.teacher\.{name} must be .* not {value}"):
        TeacherConfig("teacher", layers=1, **{name: value})


def test_a_profile_may_end_with_the_last_step():
    config = TrainingConfig(stages=(Stage("head", 7, 1e-3),), profile_steps=(5, 8))
    assert config.profile_steps == (5, 8)


def test_what_the_checkpoint_decides_may_be_left_open():
    config = TrainingConfig(mask_time_prob=None, mask_time_length=None, dropout=None)
    assert config.mask_time_prob is config.mask_time_length is config.dropout is None


def test_the_steps_of_a_recipe_are_those_of_all_its_stages():
    stages = (Stage("head", 3, 1e-3), Stage("all", 4, 1e-3))
    assert TrainingConfig(stages=stages).total_steps == 7
