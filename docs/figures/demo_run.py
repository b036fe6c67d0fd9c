"""What the figures take from a finished run of the demo.

Each script is run by hand after `make demo`, with the folder of the run:

    .venv/bin/python -m docs.figures.ctc w2v-runs
"""

from __future__ import annotations

import argparse
import os
from functools import cached_property
from pathlib import Path

# The figures are made of results, not of warnings.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from components.wer_evaluator.evaluation import About, read_about
from components.wer_evaluator.predict import Spoken, parse_record
from models.audio import normalise
from models.processor import Processor
from models.wav2vec2 import Wav2Vec2ForCTC


class DemoRun:
    """The newest outputs below a `--root` in which `w2v run demo` was run."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def description(self) -> str:
        """Which run this is, for the file of a figure."""
        when = self.about.evaluated[:10]
        return f"w2v run demo, evaluated on {when}"

    @property
    def about(self) -> About:
        return read_about(str(self.evaluation))

    @property
    def evaluation(self) -> Path:
        return self._newest("WerEvaluator/evaluation")

    @property
    def imported_checkpoint(self) -> Path:
        """The model before fine-tuning."""
        return self._newest("CheckpointImporter/model") / "Format-Serving"

    @property
    def trained_checkpoint(self) -> Path:
        """The model after fine-tuning."""
        return self._newest("Trainer/model") / "Format-Serving"

    @cached_property
    def processor(self) -> Processor:
        return Processor.from_pretrained(self.trained_checkpoint)

    def spoken(self, split: str) -> list[Spoken]:
        """The utterances of a split, in the order of their ids."""
        import tensorflow as tf

        folder = self._newest("SpeechExampleGen/examples") / f"Split-{split}"
        records = tf.data.TFRecordDataset(sorted(map(str, folder.iterdir())))
        return sorted(map(parse_record, records.as_numpy_iterator()), key=lambda one: one.id)

    def log_probs(self, model: Wav2Vec2ForCTC, waveform: np.ndarray) -> np.ndarray:
        """What a model hears in one recording: [frames, vocab]."""
        import tensorflow as tf

        logits = model(normalise(waveform)[np.newaxis])
        return tf.nn.log_softmax(logits, axis=-1).numpy()[0]

    def _newest(self, node_and_output: str) -> Path:
        folder = self.root / "pipeline" / "demo" / node_and_output
        runs = [int(name.name) for name in folder.glob("*") if name.name.isdigit()]
        if not runs:
            raise SystemExit(f"There is no {folder}: run `make demo` first, and name its w2v-runs.")
        return folder / str(max(runs))


def from_arguments(what: str) -> DemoRun:
    """The run that the command line names."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("root", type=Path, help="the folder of a demo run, such as w2v-runs")
    return DemoRun(parser.parse_args().root)
