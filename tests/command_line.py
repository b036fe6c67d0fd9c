"""`w2v` as a user types it, on a corpus of a few minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Still passes through every stage of the pipeline, in the least time.
SMALLEST = (
    "training.stages=[{trains: all, steps: 10, learning_rate: 1.0e-3, schedule: constant}]",
    "training.evaluate_every=10",
    "evaluation.variants=[unpadded]",
    "evaluation.explain_padding=null",
    "evaluation.beam_search=null",
    "gate.max_wer={unpadded: 2.0}",
    "gate.max_added_wer={'*': 0.5}",
    "gate.min_utterances=3",
    "export.tflite=[float32]",
    "export.tflite_seconds=[4]",
    "export.onnx=[]",
    "export.hub=[]",
    "release.hub_folder=''",
    "language_model=null",
)


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def outcome(self) -> dict:
        return json.loads(self.stdout)


def w2v(*arguments: str, environment: Mapping[str, str] | None = None) -> Ran:
    """Run a command in a process of its own, with these variables beside those that are set."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    return Ran(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


def set_each(*changes: str) -> list[str]:
    """The options that make each change to a config."""
    return [option for change in changes for option in ("--set", change)]


def make_corpus(folder: Path, utterances: int = 60) -> Path:
    """Speak a corpus of so many utterances into the folder."""
    made = w2v("corpus", "--to", str(folder), "--utterances", str(utterances))
    assert made.code == 0, made.stderr
    return folder
