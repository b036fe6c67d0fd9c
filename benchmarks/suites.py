"""The benchmarks by name."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import numpy as np

from benchmarks.rows import Row, measure_in_turns

THREADS = 2
SAMPLES = 246_000
TORCH = "PyTorch eager"
GRAPH, XLA = "ours, graph", "ours, XLA"


def forward() -> list[Row]:
    """wav2vec2-base at random weights, one utterance of 15.4 s."""
    import tensorflow as tf
    import torch

    ours, theirs = _base_models()
    waveform = np.random.default_rng(0).normal(size=(1, SAMPLES)).astype(np.float32)
    compiled = tf.function(lambda audio: ours(audio), jit_compile=True)
    tensor, audio = torch.from_numpy(waveform), tf.constant(waveform)

    def run_torch() -> None:
        with torch.no_grad():
            theirs(tensor)

    contenders: dict[str, Callable[[], object]] = {
        TORCH: run_torch,
        GRAPH: _graph(ours, audio),
        XLA: lambda: compiled(audio).numpy(),
    }
    return measure_in_turns("base forward, 1 × 246 000", contenders, TORCH, rounds=7)


def training_step() -> list[Row]:
    """Forward, CTC, backward and AdamW on wav2vec2-base, batch of four times four seconds."""
    ours, theirs = _base_models()
    generator = np.random.default_rng(0)
    waveforms = generator.normal(size=(4, 64_000)).astype(np.float32)
    labels = generator.integers(4, 32, size=(4, 40))
    contenders = {
        TORCH: _torch_step(theirs, waveforms, labels),
        GRAPH: _our_step(ours, waveforms, labels),
    }
    return measure_in_turns("base training step, 4 × 4 s", contenders, TORCH, rounds=4)


SUITES: dict[str, Callable[[], list[Row]]] = {"forward": forward, "training_step": training_step}


def _base_models():
    """The same random wav2vec2-base, ours and theirs."""
    import torch
    import transformers

    from models.wav2vec2 import Wav2Vec2ForCTC

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        vocab_size=32, mask_time_prob=0.0, layerdrop=0.0, ctc_loss_reduction="mean"
    )
    theirs = transformers.Wav2Vec2ForCTC(config).eval()
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        ours = Wav2Vec2ForCTC.from_pretrained(folder)
    return ours, theirs


def _graph(model, audio) -> Callable[[], object]:
    import tensorflow as tf

    compiled = tf.function(lambda waveforms: model(waveforms))
    return lambda: compiled(audio).numpy()


def _our_step(model, waveforms: np.ndarray, labels: np.ndarray) -> Callable[[], object]:
    import tensorflow as tf

    from models.training.config import Stage, TrainingConfig
    from models.training.loop import make_train_step

    step = make_train_step(
        model, Stage("all", steps=100, learning_rate=1e-5, schedule="constant"), TrainingConfig()
    )
    batch = (
        tf.constant(waveforms),
        tf.fill([len(waveforms)], waveforms.shape[1]),
        tf.constant(labels, tf.int32),
        tf.fill([len(labels)], labels.shape[1]),
    )
    return lambda: float(step(*batch)[0])


def _torch_step(model, waveforms: np.ndarray, labels: np.ndarray) -> Callable[[], object]:
    import torch

    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    audio, targets = torch.from_numpy(waveforms), torch.from_numpy(labels)

    def step() -> float:
        optimizer.zero_grad()
        loss = model(audio, labels=targets).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step
