"""The DAG's optional parts: nodes and edges are there where the config asks for them."""

import json

import pytest
from tfx.components import Tuner

from models.training.node import CONFIG_KEY
from pipeline.config import load_config
from pipeline.dag import create_pipeline
from pipeline.provenance import Provenance

TUNING = "tuning={trials: 3, trial_steps: 8}"


def nodes_of(*overrides: str) -> dict:
    config = load_config("demo", root="/root", overrides=overrides)
    dag = create_pipeline(config, Provenance("checkpoint", "c", "d", "e"), "/pipelines/demo", [])
    return {node.id: node for node in dag.components}


@pytest.fixture(scope="module")
def plain() -> dict:
    return nodes_of()


@pytest.fixture(scope="module")
def tuned() -> dict:
    return nodes_of(TUNING)


@pytest.fixture(scope="module")
def warm() -> dict:
    return nodes_of("model.warm_start=true")


def upstream(node) -> set[str]:
    return {before.id for before in node.upstream_nodes}


def test_without_warm_start_what_was_blessed_before_is_no_input_of_training(plain):
    assert upstream(plain["CheckpointImporter"]) == set()
    assert "LatestBlessed" in upstream(plain["ReleaseGate"])


def test_with_warm_start_the_importer_is_given_the_last_blessed_model(warm, plain):
    assert upstream(warm["CheckpointImporter"]) == {"LatestBlessed"}
    assert "LatestBlessed" in upstream(warm["ReleaseGate"])
    assert warm.keys() == plain.keys()


def test_the_pusher_hears_from_the_importer_where_training_began(plain):
    assert plain["ReleasePusher"].inputs["base_model"].producer_component_id == "CheckpointImporter"


def test_without_a_tuning_the_trainer_has_the_recipe_alone(plain):
    assert "Tuner" not in plain
    assert "hyperparameters" not in plain["Trainer"].inputs


def test_with_a_tuning_the_trainer_takes_the_best_values_of_the_stock_tuner(tuned, plain):
    assert tuned.keys() - plain.keys() == {"Tuner"}
    assert type(tuned["Tuner"]) is Tuner
    assert tuned["Trainer"].inputs["hyperparameters"].producer_component_id == "Tuner"


def test_the_tuner_learns_from_what_the_trainer_learns_from(tuned):
    trainer, tuner = tuned["Trainer"], tuned["Tuner"]
    for key in ("examples", "transform_graph", "base_model"):
        assert tuner.inputs[key] is trainer.inputs[key]
    for key in ("train_args", "eval_args"):
        assert tuner.exec_properties[key] == trainer.exec_properties[key]
    assert "SpeechValidator" in upstream(tuner)  # bad data must stop before it, too
    told, also = (json.loads(node.exec_properties["custom_config"]) for node in (tuner, trainer))
    assert told[CONFIG_KEY] == also[CONFIG_KEY]
    assert told["folder"] == "/pipelines/demo/Tuner/.unfinished"
