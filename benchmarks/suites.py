"""The benchmarks by name."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable

import numpy as np

from benchmarks.base_model import SAMPLES, base_models, products_alone
from benchmarks.distillation import distillation
from benchmarks.evaluation import padding, scoring
from benchmarks.gate import gate
from benchmarks.ingest import ingest
from benchmarks.reading import reading
from benchmarks.rows import Row, measure_in_turns
from benchmarks.runtimes import runtimes
from benchmarks.training import training

TORCH = "PyTorch eager"
GRAPH, XLA = "ours, graph", "ours, XLA"
LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "do_stable_layer_norm": True,
    "mask_time_prob": 0.05,
}


def forward() -> list[Row]:
    """wav2vec2-base at random weights, one utterance of 15.4 s.

    The last contender is a bound: the model's multiplications as one plain matrix product, which
    is as fast as this machine multiplies.
    """
    import tensorflow as tf
    import torch

    ours, theirs = base_models()
    half = _base_in_bfloat16(ours)
    waveform = np.random.default_rng(0).normal(size=(1, SAMPLES)).astype(np.float32)
    audio, tensor = tf.constant(waveform), torch.from_numpy(waveform)
    xla = tf.function(lambda samples: ours(samples), jit_compile=True)

    @torch.no_grad()
    def run_torch(precision: torch.dtype = torch.float32) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            theirs(tensor)

    contenders: dict[str, Callable[[], object]] = {
        TORCH: run_torch,
        GRAPH: _graph(ours, audio),
        XLA: lambda: xla(audio).numpy(),
        "PyTorch, bfloat16": lambda: run_torch(torch.bfloat16),
        "ours, graph, bfloat16": _graph(half, audio),
        "products alone": products_alone(),
    }
    return measure_in_turns("base forward, 1 × 246 000", contenders, TORCH, rounds=7)


def loading() -> list[Row]:
    """Peak memory of loading a checkpoint of wav2vec2-large's size, in parts of the file's size."""
    from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC

    with tempfile.TemporaryDirectory() as folder:
        Wav2Vec2ForCTC(Wav2Vec2Config(**LARGE), seed=0).save_pretrained(folder)
        return [
            Row(
                "large checkpoint, loading",
                who,
                _peak_memory_of_loading(loader, folder),
                unit="× file size, peak",
                is_peer=who == "transformers",
            )
            for who, loader in (("transformers", "transformers"), ("wav2vec2-tfx", "ours"))
        ]


SUITES: dict[str, Callable[[], list[Row]]] = {
    "forward": forward,
    "training": training,
    "loading": loading,
    "ingest": ingest,
    "reading": reading,
    "runtimes": runtimes,
    "padding": padding,
    "scoring": scoring,
    "gate": gate,
    "distillation": distillation,
}


def _peak_memory_of_loading(loader: str, folder: str) -> float:
    command = [sys.executable, "-m", "benchmarks.loading", loader, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def _base_in_bfloat16(model):
    """The same weights, multiplied in bfloat16."""
    from models.wav2vec2 import Wav2Vec2ForCTC

    half = Wav2Vec2ForCTC(model.config, seed=0, dtype="mixed_bfloat16")
    half.set_weights(model.get_weights())
    return half


def _graph(model, audio) -> Callable[[], object]:
    import tensorflow as tf

    compiled = tf.function(lambda waveforms: model(waveforms))
    return lambda: compiled(audio).numpy()
