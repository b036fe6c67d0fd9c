"""A run's own values in the place of the config's, validated like the config."""

import dataclasses
import json

import pytest
from google.protobuf import json_format

from components.release_gate.config import GateConfig
from components.speech_example_gen.config import DataConfig, TranscriptRules
from components.speech_example_gen.properties import custom_config
from kubeflow.container.parameters import apply_parameters, bound_name, runtime_parameters
from models.errors import BadInputError
from models.training.config import TrainingConfig
from models.training.node import CONFIG_KEY
from models.training.tuning import TuningConfig
from pipeline.config import load_config
from pipeline.node_options import trainer_config, tuner_config
from schemas.properties import from_json, to_json


@pytest.fixture(scope="module")
def config():
    return load_config("demo", root="gs://bucket")


@pytest.fixture(scope="module")
def trainer(config):
    return {"custom_config": json.dumps(trainer_config(config))}


def training_in(properties) -> TrainingConfig:
    return from_json(TrainingConfig, json.loads(properties["custom_config"])[CONFIG_KEY])


def test_the_defaults_change_nothing(config, trainer):
    told = {
        one.task_name: one.default for one in runtime_parameters(config) if "Trainer" in one.nodes
    }
    assert training_in(apply_parameters(trainer | told)) == config.training


def test_each_stage_takes_its_own_rate_and_steps(config, trainer):
    # Services hand on every number as a double
    changed = training_in(
        apply_parameters(trainer | {"this_run_learning_rate_2": 1e-5, "this_run_steps_1": 7.0})
    )
    first, second = config.training.stages
    assert changed.stages == (
        dataclasses.replace(first, steps=7),
        dataclasses.replace(second, learning_rate=1e-5),
    )


def test_a_bound_is_found_by_its_trial(config):
    properties = {"gate": to_json(config.gate), "this_run_max_wer_tflite_int8_static": 0.2}
    gate = from_json(GateConfig, apply_parameters(properties)["gate"])
    assert gate.max_wer["tflite_int8/static"] == 0.2
    assert gate.max_wer["unpadded"] == config.gate.max_wer["unpadded"]


def test_names_of_bounds_are_what_services_take():
    assert bound_name("unpadded@speaker:*") == "max_wer_unpadded_speaker"


def test_a_release_notes_down_what_differs_from_the_config_and_nothing_else():
    defaults = {"span": "", "steps_1": 100, "steps_2": 50, "max_wer_unpadded": 0.05}
    properties = {
        "runtime_parameters": "{}",
        "name": "demo",
        "this_run_defaults": json.dumps(defaults),
        "this_run_span": "2026-01-31",
        # Services hand on every number as a double
        "this_run_steps_1": 7.0,
        "this_run_steps_2": 50.0,
        "this_run_max_wer_unpadded": 1.0,
    }
    noted = apply_parameters(properties)
    assert noted == {
        "name": "demo",
        "runtime_parameters": '{"max_wer_unpadded": 1.0, "span": "2026-01-31", "steps_1": 7}',
    }


def learning_parameters(config, **tuning) -> dict[str, tuple[str, ...]]:
    """The nodes of each parameter of the training."""
    tuned = dataclasses.replace(config, tuning=TuningConfig(trial_steps=10, **tuning))
    return {
        one.name: one.nodes
        for one in runtime_parameters(tuned)
        if one.name.startswith(("learning_rate_", "steps_"))
    }


def test_what_a_tuner_searches_is_no_runtime_parameter(config):
    assert learning_parameters(config) == {}
    rates_alone = learning_parameters(config, steps_factor=None)
    assert set(rates_alone) == {"steps_1", "steps_2"}
    # Of a single stage it searches no steps.
    first, _ = config.training.stages
    one_stage = dataclasses.replace(config.training, stages=(first,))
    assert set(learning_parameters(dataclasses.replace(config, training=one_stage))) == {"steps_1"}


def test_what_a_tuner_leaves_alone_reaches_its_trials_as_well(config):
    spared = learning_parameters(config, learning_rate_factor=None, steps_factor=None)
    assert spared == dict.fromkeys(
        ("learning_rate_1", "steps_1", "learning_rate_2", "steps_2"), ("Tuner", "Trainer")
    )


def test_a_trial_has_the_rate_that_its_run_was_told(config):
    tuning = TuningConfig(trial_steps=10, learning_rate_factor=None)
    tuner = {"custom_config": json.dumps(tuner_config(config, tuning, "gs://bucket"))}
    changed = apply_parameters(tuner | {"this_run_learning_rate_2": 1e-5})
    assert training_in(changed).stages[1].learning_rate == 1e-5
    assert json.loads(changed["custom_config"])["tuning"] == to_json(tuning)


def test_executors_are_not_told_what_is_meant_for_the_entry_point(trainer):
    assert set(apply_parameters(trainer | {"this_run_steps_1": 7})) == {"custom_config"}


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"this_run_learning_rate_1": -1.0}, "learning_rate must be above 0 and finite, not -1"),
        ({"this_run_steps_2": 0}, "steps must be at least 1, not 0"),
    ],
)
def test_a_wrong_value_fails_in_one_sentence(trainer, told, sentence):
    with pytest.raises(BadInputError, match=sentence):
        apply_parameters(trainer | told)


def test_a_span_that_is_no_decimal_number_fails_in_one_sentence():
    data = DataConfig(corpus="c", train="{SPAN}/train", dev="{SPAN}/dev", test="{SPAN}/test")
    settings = custom_config(data, TranscriptRules())
    reader = {"custom_config": json_format.MessageToJson(settings, sort_keys=True)}
    with pytest.raises(BadInputError, match=r"data\.span is '²', but must be a number or a date"):
        apply_parameters(reader | {"this_run_span": "²"})


def test_a_wrong_bound_fails_in_one_sentence(config):
    with pytest.raises(BadInputError, match=r"max_wer.unpadded must be 0 or more, not -0.1"):
        apply_parameters({"gate": to_json(config.gate), "this_run_max_wer_unpadded": -0.1})
