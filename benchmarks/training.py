"""One step of CTC fine-tuning beside transformers' in PyTorch: audio trained per second.

`python -m benchmarks.training TASK` takes the figures of one task in a process of its own.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base_model import SAMPLE_RATE, THREADS
from benchmarks.rows import Row, measure_in_turns
from models.training.config import Stage, Trainable, TrainingConfig

PEER = "transformers in PyTorch"
TINY = Path(__file__).parent.parent / "models" / "pretrained" / "tiny-en"
LEARNING_RATE, BETAS, EPSILON, WEIGHT_DECAY, CLIP_NORM = 1e-5, (0.9, 0.98), 1e-8, 0.01, 1.0
CHARACTERS_PER_SECOND = 12
# What the devices wait for, over so many utterances of which a step takes so many.
UTTERANCES_READ, BATCH_READ, STEPS_READING = 400, 16, 60
ALLOWED_WAIT = 5  # % of the time
# The shortest utterance of a batch may be so much of its longest.
SHORTEST = 0.75
# Nothing is drawn at random: masks and dropout would differ on the two sides.
PLAIN = dict.fromkeys(
    (
        "hidden_dropout",
        "activation_dropout",
        "attention_dropout",
        "feat_proj_dropout",
        "final_dropout",
        "layerdrop",
        "mask_time_prob",
    ),
    0.0,
)
INPUT_WAIT = "input-wait"
Batch = dict[str, np.ndarray]
Step = Callable[[], float]


@dataclass(frozen=True)
class Task:
    """What is trained on what."""

    what: str
    config: dict[str, Any]  # the model's, beside the defaults
    trains: Trainable
    utterances: int
    seconds: float  # of the longest one
    rounds: int


def tasks() -> dict[str, Task]:
    """The recogniser of `make demo`, and wav2vec2-base as the paper fine-tunes it."""
    tiny = json.loads((TINY / "config.json").read_text(encoding="utf-8"))
    frozen: Trainable = "all_but_feature_encoder"
    return {
        "tiny": Task("tiny-en, 16 × 3 s", tiny, "all", 16, 3.0, rounds=15),
        "base-short": Task("base, CNN frozen, 4 × 5 s", {}, frozen, 4, 5.0, rounds=5),
        "base-long": Task("base, CNN frozen, 2 × 12 s", {}, frozen, 2, 12.0, rounds=5),
    }


def training() -> list[Row]:
    """Each task by itself, so that threads are set before any library wakes."""
    rows = []
    for name in (*tasks(), INPUT_WAIT):
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.training", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows += [Row(**row) for row in json.loads(done.stdout.splitlines()[-1])]
    return rows


def rows_of(task: Task) -> list[Row]:
    """The contenders in turns on the same batch."""
    batch = noise_batch(task.utterances, task.seconds)
    audio = float(batch["lengths"].sum()) / SAMPLE_RATE
    with tempfile.TemporaryDirectory() as folder:
        save_random_model(task.config, folder)
        contenders: dict[str, Callable[[], object]] = {
            PEER: torch_step(folder, task.trains, batch),
            f"{PEER}, compiled": torch_step(folder, task.trains, batch, compiled=True),
            "ours": our_step(folder, task.trains, batch),
        }
    rows = measure_in_turns(f"training, {task.what}", contenders, PEER, task.rounds)
    return [dataclasses.replace(row, value=audio / row.value, unit="audio s per s") for row in rows]


def rows_of_waiting() -> list[Row]:
    """The share of a training that is spent waiting for batches: the worst case, a tiny model."""
    from benchmarks.reading import like_test, prepared
    from models.training.assembly import Material, train
    from models.training.devices import make_strategy

    stage = Stage("all", steps=STEPS_READING, learning_rate=LEARNING_RATE, schedule="constant")
    config = TrainingConfig(
        stages=(stage,), batch_size=BATCH_READ, evaluate_every=STEPS_READING, dev_batches=1
    )
    with tempfile.TemporaryDirectory() as folder:
        files, _ = prepared(like_test(UTTERANCES_READ), Path(folder))
        material = Material(files, files, f"{folder}/graph", str(TINY))
        history = train(material, config, make_strategy("one_device"), f"{folder}/t").history
    what, unit = f"training, waiting for input, {TINY.name}", "% of the time"
    waited = 100 * history.waited_seconds / history.seconds
    return [Row(what, "bar", ALLOWED_WAIT, unit, is_peer=True), Row(what, "ours", waited, unit)]


def noise_batch(utterances: int, seconds: float) -> Batch:
    """As a batch of one bucket: lengths much alike, padded to the longest."""
    draw = np.random.default_rng(0)
    longest = round(seconds * SAMPLE_RATE)
    lengths = draw.integers(int(SHORTEST * longest), longest, utterances, endpoint=True)
    lengths[0] = longest
    label_lengths = lengths * CHARACTERS_PER_SECOND // SAMPLE_RATE
    waveforms = draw.normal(size=(utterances, longest))
    labels = draw.integers(4, 32, size=(utterances, label_lengths.max()))
    return {
        "waveforms": (waveforms * _within(lengths, longest)).astype(np.float32),
        "lengths": lengths.astype(np.int32),
        "labels": (labels * _within(label_lengths, labels.shape[1])).astype(np.int32),
        "label_lengths": label_lengths.astype(np.int32),
    }


def save_random_model(config: dict[str, Any], folder: str) -> None:
    """The same start for both sides."""
    import torch
    import transformers

    torch.manual_seed(0)
    settings = {"vocab_size": 32, **config, **PLAIN, "ctc_loss_reduction": "mean"}
    transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config(**settings)).save_pretrained(folder)


def our_step(folder: str, trains: Trainable, batch: Batch) -> Step:
    """The pipeline's own step."""
    import tensorflow as tf

    from models.training.objective import ctc_objective
    from models.training.step import TrainStep
    from models.wav2vec2 import Wav2Vec2ForCTC

    stage = Stage(trains, steps=1000, learning_rate=LEARNING_RATE, schedule="constant")
    config = TrainingConfig(stages=(stage,), weight_decay=WEIGHT_DECAY, clip_norm=CLIP_NORM)
    step = TrainStep(Wav2Vec2ForCTC.from_pretrained(folder), stage, config, ctc_objective)
    tensors = {name: tf.constant(array) for name, array in batch.items()}
    return lambda: float(step([tensors], 0).loss)


def torch_step(folder: str, trains: Trainable, batch: Batch, compiled: bool = False) -> Step:
    """As transformers' own trainer does it, with PyTorch's fused optimizer."""
    import torch
    import transformers

    model = transformers.Wav2Vec2ForCTC.from_pretrained(folder, attn_implementation="sdpa").train()
    if trains == "all_but_feature_encoder":
        model.freeze_feature_encoder()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        trained, LEARNING_RATE, BETAS, EPSILON, weight_decay=WEIGHT_DECAY, fused=True
    )
    inputs = {
        "input_values": torch.from_numpy(batch["waveforms"]),
        "attention_mask": torch.from_numpy(_within(batch["lengths"], batch["waveforms"].shape[1])),
        # What lies beyond a transcript is told by negative labels.
        "labels": torch.from_numpy(np.where(batch["labels"] > 0, batch["labels"], -100)),
    }
    forward = torch.compile(model, dynamic=False) if compiled else model

    def step() -> float:
        optimizer.zero_grad()
        loss = forward(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, CLIP_NORM)
        optimizer.step()
        return loss.item()

    return step


def _within(lengths: np.ndarray, width: int) -> np.ndarray:
    return np.arange(width) < lengths[:, None]


def main() -> None:
    """Print the figures of the task that the command line names, as JSON."""
    import tensorflow as tf
    import torch

    torch.set_num_threads(THREADS)
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    name = sys.argv[1]
    rows = rows_of_waiting() if name == INPUT_WAIT else rows_of(tasks()[name])
    print(json.dumps([dataclasses.asdict(row) for row in rows]))


if __name__ == "__main__":
    main()
