"""However many devices and workers train: the same batches, the same losses, one that writes."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from models.errors import BadInputError
from models.processor import Processor
from models.training import loop
from models.training.config import Stage, TrainingConfig
from models.training.devices import make_strategy
from models.training.history import HISTORY_FILE
from models.training.node import CONFIG_KEY, UNFINISHED_FOLDER, train_node
from models.wav2vec2 import Wav2Vec2ForCTC
from tests.conftest import TRANSCRIPTS, speech_example
from tests.models.training.test_step import SMALL

SCRIPT = Path(__file__).with_name("training_process.py")
STEPS = 20
# Batches of 8, 8 and 4. Nothing is drawn at random, as each device draws for itself.
RECIPE = TrainingConfig(
    stages=(Stage("all", STEPS, 1e-3, "constant"),),
    batch_size=8,
    evaluate_every=STEPS,
    checkpoint_every=2,
    static_shapes=True,
    mask_time_prob=0.0,
    dropout=0.0,
    layerdrop=0.0,
)
UTTERANCES = 20


def write_records(path: Path, seconds_between: float, spoilt: int | None = None) -> str:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for index in range(UTTERANCES):
            text = TRANSCRIPTS[index % len(TRANSCRIPTS)]
            record = speech_example(index, text, 0.5 + seconds_between * index)
            writer.write(without_audio(record) if index == spoilt else record)
    return str(path)


def without_audio(record: bytes) -> bytes:
    example = tf.train.Example.FromString(record)
    del example.features.feature["audio_pcm16"]
    return example.SerializeToString()


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> str:
    """All in one bucket, so that one step is compiled."""
    return write_records(tmp_path_factory.mktemp("Split-train") / "data_tfrecord", 0.01)


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint, tmp_path_factory) -> str:
    """A model that is traced sooner than the shared one, with that one's alphabet."""
    folder = tmp_path_factory.mktemp("small")
    processor = Processor.from_pretrained(tiny_checkpoint)
    config = SMALL.replace(vocab_size=len(processor.vocabulary.tokens))
    Wav2Vec2ForCTC(config, seed=0).save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def arguments(records, transform_graph_folder, checkpoint):
    """What the Trainer node is told: records, where its model goes, changes of the recipe."""

    def to(folder: Path, files: str = records, **changes) -> dict:
        config = dataclasses.asdict(dataclasses.replace(RECIPE, **changes))
        return {
            "train_files": [files],
            "eval_files": [records],
            "transform_output": str(transform_graph_folder),
            "base_model": checkpoint,
            "serving_model_dir": str(folder / "Trainer" / "model" / "7" / "Format-Serving"),
            "model_run_dir": str(folder / "Trainer" / "model_run" / "7"),
            "custom_config": {CONFIG_KEY: json.dumps(config)},
            "hyperparameters": None,
        }

    return to


def start(job: dict, folder: Path, name: str, **environment) -> subprocess.Popen:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(job))
    log = (folder / f"{name}.log").open("a")
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(path)],
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[3])} | environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def trained_on(replicas: list[int], arguments: dict, folder: Path) -> list[dict]:
    job = {"arguments": arguments, "replicas": replicas, "results": str(folder / "results.json")}
    process = start(job, folder, "devices")
    assert process.wait() == 0, (folder / "devices.log").read_text()
    return json.loads((folder / "results.json").read_text())


def losses(history: dict) -> np.ndarray:
    assert [step for step, _ in history["losses"]] == list(range(1, STEPS + 1))
    return np.array([loss for _, loss in history["losses"]])


def assert_alike(alone: dict, several: dict) -> None:
    np.testing.assert_allclose(losses(several), losses(alone), rtol=1e-4)
    assert several["evaluations"] == alone["evaluations"]


def test_two_devices_train_like_one(arguments, tmp_path):
    alone, two = trained_on([1, 2], arguments(tmp_path), tmp_path)
    assert_alike(alone, two)


@pytest.mark.slow
@pytest.mark.parametrize(("devices", "compiled"), [(2, True), (8, False)])
def test_devices_train_like_one_over_several_buckets_and_past_spoilt_batches(
    arguments, tmp_path, devices, compiled
):
    files = write_records(tmp_path / "data_tfrecord", 0.03, spoilt=5)
    told = arguments(tmp_path, files, jit_compile=compiled, evaluate_every=5)
    alone, several = trained_on([1, devices], told, tmp_path)
    assert_alike(alone, several)
    # It lay with one of the devices, and all of them left out its batches.
    assert several["skipped_batches"] == alone["skipped_batches"] > 0


def start_workers(arguments: dict, folder: Path) -> list[subprocess.Popen]:
    """Two of them on this machine, which find each other by TF_CONFIG."""
    cluster = {"worker": [f"localhost:{port}" for port in free_ports(2)]}
    return [
        start(
            {"arguments": arguments},
            folder,
            f"worker-{index}",
            TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
        )
        for index in range(2)
    ]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def logs(folder: Path) -> str:
    return "".join(log.read_text()[-5000:] for log in sorted(folder.glob("worker-*.log")))


def history_of(arguments: dict) -> dict:
    return json.loads((Path(arguments["serving_model_dir"]) / HISTORY_FILE).read_text())


def weights_of(arguments: dict) -> list[np.ndarray]:
    return Wav2Vec2ForCTC.from_pretrained(arguments["serving_model_dir"]).get_weights()


@pytest.fixture(scope="module")
def two_workers(arguments, tmp_path_factory):
    """The arguments of a training by two workers that is done."""
    folder = tmp_path_factory.mktemp("workers")
    told = arguments(folder)
    workers = start_workers(told, folder)
    assert [worker.wait() for worker in workers] == [0, 0], logs(folder)
    return told


@pytest.mark.slow
def test_two_workers_train_like_one_and_one_of_them_writes(
    two_workers, arguments, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "REPORT_EVERY", 1)
    alone = arguments(tmp_path)
    train_node(SimpleNamespace(**alone))
    assert_alike(history_of(alone), history_of(two_workers))


@pytest.mark.slow
def test_when_a_worker_is_killed_the_other_ends_and_both_go_on_from_the_checkpoint(
    two_workers, arguments, tmp_path
):
    told = arguments(tmp_path)
    chief, killed = start_workers(told, tmp_path)
    states = tmp_path / "Trainer" / UNFINISHED_FOLDER
    while not list(states.glob("*/states/step-000000004.safetensors")):
        assert chief.poll() is None, logs(tmp_path)
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert chief.wait(timeout=120) != 0
    assert "Another worker is gone" in logs(tmp_path)
    assert not Path(told["serving_model_dir"]).exists()
    workers = start_workers(told, tmp_path)
    assert [worker.wait() for worker in workers] == [0, 0], logs(tmp_path)
    assert "going on from step" in logs(tmp_path)
    np.testing.assert_allclose(losses(history_of(told)), losses(history_of(two_workers)), rtol=1e-6)
    for one, other in zip(weights_of(told), weights_of(two_workers), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("devices", "told"),
    [
        ("tpu", "no TPU answers"),
        ("mirrored", "sees only"),
        ("multi_worker", "TF_CONFIG names no cluster"),
    ],
)
def test_devices_that_are_not_there_are_refused_with_the_cure(devices, told, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(BadInputError, match=rf"training\.devices is {devices}, .*{told}.*auto"):
        make_strategy(devices)


@pytest.mark.parametrize("devices", ["one_device", "mirrored"])
def test_workers_that_would_each_train_alone_are_refused(devices, monkeypatch):
    cluster = {"worker": ["localhost:1", "localhost:2"]}
    task = {"type": "worker", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    with pytest.raises(BadInputError, match="each train alone"):
        make_strategy(devices)


def test_one_device_is_taken_where_there_is_nothing_else(monkeypatch):
    task = {"type": "chief", "index": 0}
    cluster = {"chief": ["localhost:1"]}  # as Vertex AI says of a job of one machine
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    assert make_strategy("auto") is tf.distribute.get_strategy()
