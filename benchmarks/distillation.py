"""The demo's recogniser and its student: what the smaller one saves, and what it costs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.rows import Row, measure_in_turns

TEACHER, STUDENT = "demo", "demo-student"
# As `make demo` makes it.
UTTERANCES = 700
TIMED_UTTERANCES, ROUNDS = 20, 5
KINDS = ("float32", "int8")
# A student may make so many times its teacher's errors.
ALLOWED = 1.5


def distillation() -> list[Row]:
    """Both through the whole pipeline; WER and latency are those of the exported files."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _w2v("corpus", "--to", str(root / "corpus"), "--utterances", str(UTTERANCES))
        runs = {TEACHER: _run(root, TEACHER)}
        (trained,) = root.glob(f"pipeline/{TEACHER}/Trainer/model/*/Format-Serving")
        runs[STUDENT] = _run(root, STUDENT, "--set", f"model.teacher.checkpoint={trained}")
        return rows_of(root, runs)


def rows_of(root: Path, runs: dict[str, dict]) -> list[Row]:
    """Sizes, latency and WER of two finished runs, by what `w2v run --json` said of them."""
    releases = {name: Path(run["release"]) for name, run in runs.items()}
    rows = [
        Row("parameters", name, _parameters(root, name), "millions", is_peer=name == TEACHER)
        for name in runs
    ]
    for kind in KINDS:
        files = {name: path / "tflite" / f"model-{kind}.tflite" for name, path in releases.items()}
        rows += [
            Row(f"TFLite {kind}, file", name, path.stat().st_size / 1e6, "MB", name == TEACHER)
            for name, path in files.items()
        ]
        rows += _latency(root, kind, files)
        rows += _errors(f"TFLite {kind}, WER of the test split", f"tflite_{kind}/static", runs)
    return rows + _errors("SavedModel, WER of the test split", "saved_model/unpadded", runs)


def _errors(what: str, trial: str, runs: dict[str, dict]) -> list[Row]:
    wers = {name: 100 * run["wer"][trial] for name, run in runs.items()}
    rows = [Row(what, name, wer, "%", is_peer=name == TEACHER) for name, wer in wers.items()]
    return [*rows, Row(what, f"bar: {ALLOWED:g} × the teacher", ALLOWED * wers[TEACHER], "%")]


def _latency(root: Path, kind: str, files: dict[str, Path]) -> list[Row]:
    from models.recognisers import open_recogniser

    spoken = _spoken(root / "corpus")

    def listener(path: Path):
        recogniser = open_recogniser(path)
        return lambda: [recogniser.recognise(one["waveforms"], one["lengths"]) for one in spoken]

    contenders = {name: listener(path) for name, path in files.items()}
    what = f"TFLite {kind}, {TIMED_UTTERANCES} utterances of the test split"
    return measure_in_turns(what, contenders, TEACHER, ROUNDS)


def _spoken(corpus: Path) -> list[dict[str, np.ndarray]]:
    import soundfile

    from models.audio import pad_batch

    paths = sorted(corpus.glob("test-clean/*/*/*.flac"))[:TIMED_UTTERANCES]
    return [pad_batch([soundfile.read(path, dtype="float32")[0]]) for path in paths]


def _parameters(root: Path, name: str) -> float:
    from models.wav2vec2.checkpoint_files import open_checkpoint

    (trained,) = root.glob(f"pipeline/{name}/Trainer/model/*/Format-Serving")
    tensors = open_checkpoint(trained).tensors.values()
    return sum(int(np.prod(one.tensor.shape)) for one in tensors) / 1e6


def _run(root: Path, config: str, *options: str) -> dict:
    return json.loads(_w2v("run", config, "--root", str(root), "--json", *options))


def _w2v(*arguments: str) -> str:
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
