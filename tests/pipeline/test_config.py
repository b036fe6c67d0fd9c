"""The config: what it accepts, and how it says no."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from models.errors import BadInputError
from pipeline.config import find_config, load_config, parse_config, ready_configs

MINIMAL = {"name": "mine", "data": {"corpus": "/corpus"}, "model": {"checkpoint": "/checkpoint"}}


@pytest.mark.parametrize("name", ready_configs())
def test_every_ready_config_is_valid(name):
    assert load_config(name, root="/tmp/w2v").name


def test_the_tuning_that_a_ready_config_proposes_fits_its_recipe():
    proposed = find_config("librispeech-100h").read_text(encoding="utf-8")
    lines = proposed[proposed.index("# tuning:") :].partition("\n\n")[0].splitlines()
    tuning = yaml.safe_load("\n".join(line.removeprefix("# ") for line in lines))["tuning"]
    assert load_config("librispeech-100h", overrides=[f"tuning={tuning}"]).tuning.trials == 12


TUNED_AS_THE_README_SAYS = "tuning={trials: 12, trial_steps: 2000}"


@pytest.mark.parametrize("name", [one for one in ready_configs() if one != "demo-student"])
def test_a_ready_config_can_be_tuned_as_the_readme_says(name):
    assert load_config(name, overrides=[TUNED_AS_THE_README_SAYS]).tuning.trials == 12


def test_a_minimal_config_takes_its_defaults_from_the_paper():
    config = parse_config(MINIMAL, "mine.yaml")
    assert [stage.trains for stage in config.training.stages] == ["head", "all_but_feature_encoder"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"trainin": {}}, "unknown key trainin (did you mean training?)"),
        (
            {"training": {"batchsize": 8}},
            "unknown key training.batchsize (did you mean training.batch_size?)",
        ),
        (
            {"training": {"stages": [{"train": "all", "steps": 1, "learning_rate": 1}]}},
            "unknown key training.stages.train (did you mean training.stages.trains?)",
        ),
        ({"training": {"batch_size": "many"}}, 'training.batch_size is "many"'),
        ({"training": {"batch_size": 0}}, "training.batch_size must be at least 1, not 0"),
        ({"training": {"precision": "float8"}}, 'training.precision is "float8"'),
        ({"data": {}}, "data.corpus is missing"),
        ({"name": "My Pipeline"}, "'My Pipeline' must be lower-case letters"),
        ({"tuning": {"trials": 3}}, "tuning.trial_steps is missing"),
        (
            {"tuning": {"trial_steps": 9, "dropout": [0.1, 0.2]}, "training": {"dropout": 0.0}},
            "tuning.dropout must hold training.dropout (0), not [0.1, 0.2]",
        ),
        ({"export": {"tflite_seconds": []}}, "export.tflite_seconds: name at least one length"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_cure(change, sentence):
    with pytest.raises(BadInputError) as refused:
        parse_config(MINIMAL | change, "mine.yaml")
    assert str(refused.value).startswith("mine.yaml: ")
    assert sentence in str(refused.value)


def test_overrides_reach_nested_keys_and_root_is_filled_in():
    config = load_config("demo", root="/data/runs", overrides=["training.batch_size=4"])
    assert config.training.batch_size == 4
    assert config.data.corpus == "/data/runs/corpus"
    assert config.release.folder == "/data/runs/releases"


@pytest.mark.parametrize("written", ["1e-4", "1.0e-4", "1E-4", "0.0001", "1.e-04"])
def test_a_small_rate_may_be_written_as_people_write_it(written):
    stage = f"training.stages=[{{trains: head, steps: 1, learning_rate: {written}}}]"
    assert load_config("demo", overrides=[stage]).training.stages[0].learning_rate == 1e-4


def test_an_override_of_a_wrong_form_is_refused():
    with pytest.raises(BadInputError, match=r"not of the form section\.key=value"):
        load_config("demo", overrides=["training.batch_size"])


def test_a_pattern_that_yaml_takes_for_an_alias_is_told_how_to_be_quoted():
    with pytest.raises(BadInputError, match=r"""quote it: --set 'data\.all="\*"'$"""):
        load_config("demo", overrides=["data.all=*"])
    quoted = ['data.all="*"', "data.layout=folder"]
    assert load_config("demo", overrides=quoted).data.all == "*"


def test_an_unknown_config_lists_the_ready_ones():
    with pytest.raises(BadInputError, match="demo"):
        load_config("no-such-config")


def test_broken_yaml_names_the_line(tmp_path):
    (tmp_path / "broken.yaml").write_text("name: mine\ndata: [\n")
    with pytest.raises(BadInputError, match="not valid YAML at line 3"):
        load_config(str(tmp_path / "broken.yaml"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(
        ["name", "data", "model", "training", "tuning", "gate", "evaluation", "export"]
    ),
)
def test_nonsense_in_any_section_is_bad_input_and_never_another_error(nonsense, section):
    try:
        parse_config(MINIMAL | {section: nonsense}, "mine.yaml")
    except BadInputError as refused:
        assert str(refused).startswith("mine.yaml: ")


def test_equal_configs_have_equal_digests_and_a_change_changes_it():
    one = parse_config(MINIMAL, "a.yaml")
    same = parse_config(yaml.safe_load(yaml.safe_dump(MINIMAL)), "b.yaml")
    other = parse_config(MINIMAL | {"training": {"batch_size": 1}}, "c.yaml")
    assert one.sha256 == same.sha256 != other.sha256


TEACHER = {"checkpoint": "runs/teacher", "layers": 2}


def test_with_a_teacher_the_run_starts_from_the_teachers_checkpoint():
    model = parse_config(MINIMAL | {"model": {"teacher": TEACHER}}, "mine.yaml").model
    assert model.checkpoint == model.teacher.checkpoint == "runs/teacher"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model": {}}, "model.checkpoint is missing"),
        (
            {"model": {"teacher": TEACHER, "checkpoint": "other"}},
            "model.checkpoint must be left out beside model.teacher",
        ),
        (
            {"model": {"teacher": TEACHER, "warm_start": True}},
            "model.warm_start must be false beside model.teacher",
        ),
        (
            {"model": {"teacher": TEACHER}, "text": {"vocabulary": "fit"}},
            "text.vocabulary must be checkpoint beside model.teacher",
        ),
        (
            {"model": {"teacher": TEACHER}, "tuning": {"trial_steps": 10}},
            "tuning must be left out beside model.teacher",
        ),
        ({"model": {"teacher": TEACHER | {"layers": 0}}}, "model.teacher.layers must be at least"),
    ],
)
def test_what_makes_no_sense_beside_a_teacher_is_refused_by_its_key(settings, sentence):
    with pytest.raises(BadInputError, match=sentence):
        parse_config(MINIMAL | settings, "mine.yaml")
