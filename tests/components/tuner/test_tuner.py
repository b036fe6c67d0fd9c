"""The stock Tuner's executor runs our search over real, if tiny, trainings."""

import json
import shutil

import pytest
from tfx.components.tuner.executor import Executor
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types import artifact_utils, standard_artifacts

from components.tuner.tuner import FOLDER_KEY, TUNING_KEY
from models.training.config import Stage, TrainingConfig
from models.training.node import CONFIG_KEY
from models.training.tuning import TuningConfig, tuned
from schemas.properties import to_json

RECIPE = TrainingConfig(
    stages=(Stage("head", 40, 1e-2, "constant"),), batch_size=8, mask_time_prob=0.0, dropout=0.0
)
TUNING = TuningConfig(trial_steps=2, trials=1, algorithm="random", mask_time_prob=None)


def artifact(artifact_type, folder):
    made = artifact_type()
    made.uri = str(folder)
    return made


@pytest.fixture(scope="module")
def outputs(tiny_checkpoint, transform_graph_folder, speech_records, tmp_path_factory):
    """What the node gives, with the folder of its trials beside."""
    root = tmp_path_factory.mktemp("tuner")
    shutil.copytree(tiny_checkpoint, root / "base" / "Format-Serving")
    for split in ("train", "dev"):
        (root / "examples" / f"Split-{split}").mkdir(parents=True)
        shutil.copy(speech_records, root / "examples" / f"Split-{split}")
    examples = artifact(standard_artifacts.Examples, root / "examples")
    examples.split_names = artifact_utils.encode_split_names(["train", "dev"])
    inputs = {
        "examples": [examples],
        "transform_graph": [artifact(standard_artifacts.TransformGraph, transform_graph_folder)],
        "base_model": [artifact(standard_artifacts.Model, root / "base")],
    }
    outputs = {
        "best_hyperparameters": [artifact(standard_artifacts.HyperParameters, root / "best")],
        "tuner_results": [artifact(standard_artifacts.TunerResults, root / "results")],
    }
    told = {
        CONFIG_KEY: to_json(RECIPE),
        TUNING_KEY: to_json(TUNING),
        FOLDER_KEY: str(root / "Tuner" / ".unfinished"),
    }
    properties = {
        "tuner_fn": "components.tuner.tuner.tuner_fn",
        "train_args": json.dumps({"splits": ["train"]}),
        "eval_args": json.dumps({"splits": ["dev"]}),
        "custom_config": json.dumps(told),
    }
    context = BaseExecutor.Context(tmp_dir=str(root / "temp"), unique_id="1")
    Executor(context).Do(inputs, outputs, properties)
    return root


def test_the_results_are_a_row_for_each_trial_with_its_dev_wer_and_values(outputs):
    (row,) = json.loads((outputs / "results" / "tuner_results.json").read_text())
    assert row.pop("score") >= 0
    assert row == {"trial_id": "0", "stage_1_learning_rate": 1e-2, "dropout": 0.0}


def test_the_best_values_make_a_recipe(outputs):
    best = json.loads((outputs / "best" / "best_hyperparameters.txt").read_text())
    assert tuned(RECIPE, best["values"]) == RECIPE  # which the first trial tries


def test_the_folder_of_the_trials_is_empty_again(outputs):
    assert list((outputs / "Tuner" / ".unfinished").iterdir()) == []
