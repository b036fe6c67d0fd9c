"""A Trainer whose process is killed again and again ends with the model of one that never was."""

import dataclasses
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.training.config import Stage, TrainingConfig
from models.training.history import HISTORY_FILE
from models.training.node import CONFIG_KEY, UNFINISHED_FOLDER

ROOT = Path(__file__).parents[3]
# The Trainer node, told its arguments as JSON, behind such a front door as `w2v` is.
PROGRAM = """
import json, sys, types
from models.errors import W2vError
from models.training.node import train_node
try:
    train_node(types.SimpleNamespace(**json.loads(sys.argv[1])))
except W2vError as error:
    sys.exit(error.exit_code)
"""
RECIPE = TrainingConfig(
    stages=(Stage("head", 12, 1e-2), Stage("all_but_feature_encoder", 18, 1e-2)),
    batch_size=2,
    evaluate_every=5,
    checkpoint_every=3,
    average_momentum=0.9,
    average_best=2,
    mask_time_prob=0.2,
    dropout=0.1,
    layerdrop=0.2,
    deterministic=True,
    seed=5,
)
TIMES = ("seconds", "waited_seconds", "kilowatt_hours")
KILLS = 3
SECONDS_OF_A_PROCESS = 300


@pytest.fixture
def start(speech_records, transform_graph_folder, tiny_checkpoint, tmp_path):
    """Start the Trainer in a process of its own; TFX gives each try another output folder."""

    def in_process(node: str, attempt: int) -> tuple[subprocess.Popen, Path]:
        output = tmp_path / node / "model" / str(attempt) / "Format-Serving"
        arguments = {
            "train_files": [str(speech_records)],
            "eval_files": [str(speech_records)],
            "transform_output": str(transform_graph_folder),
            "serving_model_dir": str(output),
            "model_run_dir": None,
            "base_model": str(tiny_checkpoint),
            "custom_config": {CONFIG_KEY: json.dumps(dataclasses.asdict(RECIPE))},
            "hyperparameters": None,
        }
        command = [sys.executable, "-c", PROGRAM, json.dumps(arguments)]
        return subprocess.Popen(command, cwd=ROOT), output

    return in_process


def states(node: Path) -> set[str]:
    return {path.name for path in node.glob(f"{UNFINISHED_FOLDER}/*/states/*.safetensors")}


def until_another_state(process: subprocess.Popen, node: Path) -> None:
    """Wait until the process has come further than the last one."""
    before, give_up = states(node), time.monotonic() + SECONDS_OF_A_PROCESS
    while states(node) <= before and process.poll() is None:
        assert time.monotonic() < give_up
        time.sleep(0.01)


def figures(output: Path) -> dict:
    """All that the history tells but for times."""
    history = json.loads((output / HISTORY_FILE).read_text())
    return {name: one for name, one in history.items() if name not in TIMES}


def assert_the_same_model(output: Path, expected: Path) -> None:
    assert figures(output) == figures(expected)
    weights = "model.safetensors"
    assert (output / weights).read_bytes() == (expected / weights).read_bytes()


@pytest.mark.slow
def test_killed_and_told_to_stop_at_random_it_ends_to_the_bit_as_if_left_alone(start, tmp_path):
    process, alone = start("alone", 0)
    assert process.wait(SECONDS_OF_A_PROCESS) == 0
    numbers = random.Random(7)
    for attempt in range(KILLS):
        process, output = start("killed", attempt)
        until_another_state(process, tmp_path / "killed")
        time.sleep(numbers.uniform(0, 0.5))
        told = signal.SIGTERM if attempt == 1 else signal.SIGKILL
        process.send_signal(told)
        ended = process.wait(SECONDS_OF_A_PROCESS)
        assert ended == (143 if told == signal.SIGTERM else -signal.SIGKILL)
        assert states(tmp_path / "killed")
        assert not output.exists()
    process, output = start("killed", KILLS)
    assert process.wait(SECONDS_OF_A_PROCESS) == 0
    assert_the_same_model(output, alone)
    assert not states(tmp_path / "killed")
