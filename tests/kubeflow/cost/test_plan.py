"""The plan: hours and money from a config's own recipe."""

import dataclasses

import pytest

from kubeflow.cost.flops import forward
from kubeflow.cost.plan import make_plan
from kubeflow.cost.prices import Utilisation, read_prices
from kubeflow.cost.workload import evaluated_variants, training_work
from models.errors import BadInputError
from models.training.config import Stage, TeacherConfig
from models.training.tuning import TuningConfig
from models.wav2vec2.config import Wav2Vec2Config
from pipeline.config import load_config

PRICES = read_prices()
BASE = Wav2Vec2Config()


@pytest.fixture(scope="module")
def config():
    return load_config("librispeech-960h", root="/nowhere")


def with_training(config, **changes):
    return dataclasses.replace(config, training=dataclasses.replace(config.training, **changes))


def test_a_stage_hears_its_steps_times_its_batch(config):
    staged = with_training(
        config, stages=(Stage("all", steps=1000, learning_rate=1e-4),), batch_size=8, accumulate=2
    )
    stage = training_work(staged, BASE, PRICES.corpus)[0]
    utterances = 1000 * 8 * 2
    assert stage.audio_hours == pytest.approx(utterances * 12.3 / 3600)
    an_utterance = forward(BASE, round(12.3 * 16_000)).total
    assert stage.flops == pytest.approx(utterances * 3 * an_utterance / (1 - 0.051))


def test_a_stage_that_trains_the_head_alone_costs_less(config):
    head, rest, _ = training_work(config, BASE, PRICES.corpus)
    assert (head.steps, head.audio_hours) == (rest.steps, rest.audio_hours)
    assert head.flops < 0.5 * rest.flops


def test_the_corpus_is_heard_as_often_as_the_recipe_says(config):
    plan = make_plan(config, PRICES, ["a100"], corpus_hours=960)
    assert plan.epochs == pytest.approx(30, rel=0.01)  # 15 for each stage, says the config


def test_money_is_hours_times_the_price_and_the_range_is_that_of_the_utilisation(config):
    (on,) = make_plan(config, PRICES, ["a100"], 960).devices
    device = PRICES.devices["a100"]
    assert on.money.expected == pytest.approx(on.hours.expected * device.per_hour)
    assert on.spot_money.expected == pytest.approx(on.hours.expected * device.spot_per_hour)
    assert on.hours.low == pytest.approx(on.hours.expected * 0.35 / 0.5)
    assert on.hours.high == pytest.approx(on.hours.expected * 0.35 / 0.2)


def test_a_device_without_a_spot_price_has_none(config):
    (on,) = make_plan(config, PRICES, ["v3-8"], 960).devices
    assert on.spot_money is None


def test_a_utilisation_that_was_measured_takes_the_place_of_the_assumed_one(config):
    measured = Utilisation(0.4, 0.41, 0.42, measured=True, source="our own run")
    device = dataclasses.replace(PRICES.devices["v3-8"], utilisation=measured)
    prices = dataclasses.replace(PRICES, devices={"v3-8": device})
    plan = make_plan(config, prices, ["v3-8"], 960)
    assert plan.devices[0].utilisation == measured
    sentence = "41 % (40 to 42) of the peak in float32 are reached on v3-8 (measured): our own run."
    assert sentence in plan.assumptions


def test_the_measured_training_step_comes_out_as_it_was_measured():
    """benchmarks/RESULTS.md: base, its convolutions frozen, 2 x 12 s on one core in 9.64 s."""
    step = 2 * forward(BASE, 12 * 16_000).training("all_but_feature_encoder")
    cpu = PRICES.devices["cpu-2"]
    one_core = cpu.peak_tflops["float32"] / 2 * cpu.utilisation.expected * 1e12
    assert step / one_core == pytest.approx(9.64, rel=0.03)


def test_twice_the_corpus_is_twice_the_ingest_and_the_same_training(config):
    plans = [make_plan(config, PRICES, ["a100"], hours) for hours in (960, 1920)]
    (once, twice) = (plan.beside[0] for plan in plans)
    start = PRICES.ingest.workers * PRICES.ingest.start_minutes / 60
    assert twice.hours - start == pytest.approx(2 * (once.hours - start))
    assert plans[0].devices[0].hours == plans[1].devices[0].hours


def test_every_artifact_is_evaluated_under_each_padding_it_can_be_told_of(config):
    # The SavedModel under four, two ONNX files under the three masked ones, three TFLite files.
    assert len(evaluated_variants(config)) == 4 + 2 * 3 + 3


def test_a_tuner_is_paid_for_as_well(config):
    tuning = dataclasses.replace(config, tuning=TuningConfig(trial_steps=1000, trials=10))
    trials = training_work(tuning, BASE, PRICES.corpus)[0]
    assert (trials.name, trials.steps) == ("tuner, at most", 10_000)


def test_a_student_is_smaller_and_its_teacher_listens(config):
    teacher = TeacherConfig("/nowhere/teacher", layers=4)
    model = dataclasses.replace(config.model, checkpoint="", teacher=teacher)
    student = dataclasses.replace(config, model=model)
    work = training_work(student, BASE, PRICES.corpus)[1]
    alone = training_work(config, BASE.replace(num_hidden_layers=4), PRICES.corpus)[1]
    utterances = 132_000 * 32
    teachers = utterances * forward(BASE, round(12.3 * 16_000)).total / (1 - 0.051)
    assert work.flops == pytest.approx(alone.flops + teachers)


def test_the_size_of_a_model_comes_from_its_checkpoint_and_else_it_says_so(config, tiny_checkpoint):
    missing = make_plan(config, PRICES, ["a100"], 960)
    assert any("There is no checkpoint at /nowhere" in one for one in missing.assumptions)
    model = dataclasses.replace(config.model, checkpoint=str(tiny_checkpoint))
    tiny = make_plan(dataclasses.replace(config, model=model), PRICES, ["a100"], 960)
    assert not any("There is no checkpoint" in one for one in tiny.assumptions)
    assert tiny.devices[0].hours.expected < 0.01 * missing.devices[0].hours.expected


@pytest.mark.parametrize(
    ("names", "changes", "hours", "sentence"),
    [
        (["v99"], {}, 960, "no device 'v99': choose of v3-8, v5e-8, a100"),
        ([], {}, 960, "--on names no device"),
        (["v3-8"], {"precision": "mixed_float16"}, 960, "no peak_tflops of v3-8 for"),
        (["v3-8"], {}, 0, "--hours must be above 0, not 0"),
    ],
)
def test_what_cannot_be_planned_says_why(config, names, changes, hours, sentence):
    with pytest.raises(BadInputError, match=sentence):
        make_plan(with_training(config, **changes), PRICES, names, hours)
