"""The corpus and the finished run that the notebooks work on.

`W2V_DOCS_WORKSPACE` names a folder that holds `corpus/` and `w2v-runs/`. Without it the notebooks
take what `make demo` leaves in the repository, and make it where it is not there yet. For the real
thing `W2V_CORPUS` names a corpus in LibriSpeech layout, and `W2V_RUNS` the `--root` of a finished
run whose pipeline is called `W2V_PIPELINE`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.audio import read_audio

REPOSITORY = Path(__file__).resolve().parents[2]
PRETRAINED = REPOSITORY / "models" / "pretrained" / "tiny-en"
DEMO = "demo"
PREPARED = "W2V_DOCS_WORKSPACE"


@dataclass(frozen=True)
class Workspace:
    """A corpus in LibriSpeech layout, and the root of a run that published a release of it."""

    corpus: Path
    runs: Path
    pipeline: str

    @property
    def release(self) -> Path:
        """The newest release."""
        return _newest(self.runs.glob("releases/*/manifest.json")).parent

    @property
    def checkpoint(self) -> Path:
        """What the Trainer made: a folder in Hugging Face layout."""
        return _newest(self._outputs("Trainer/model/*/Format-Serving/config.json")).parent

    @property
    def transform_graph(self) -> str:
        """What the Transform node fitted on the transcripts and lengths of the train split."""
        return str(_newest(self._outputs("Transform/transform_graph/*/transform_fn")).parent)

    @property
    def language_model(self) -> Path:
        """The n-gram of the train split's transcripts."""
        return _newest(self._outputs("LanguageModelTrainer/language_model/*/*.arpa"))

    def records(self, split: str) -> list[str]:
        """The TFRecord files of a split: a pattern for each folder."""
        folder = _newest(self._outputs(f"SpeechExampleGen/examples/*/Split-{split}"))
        return [str(folder / "*")]

    def _outputs(self, pattern: str) -> Iterable[Path]:
        return (self.runs / "pipeline" / self.pipeline).glob(pattern)


def workspace() -> Workspace:
    """The folders to work on; made where they are not there, which takes about five minutes."""
    prepared = os.environ.get(PREPARED)
    runs = Path(prepared, "w2v-runs") if prepared else REPOSITORY / "w2v-runs"
    runs = Path(os.environ.get("W2V_RUNS", runs))
    corpus = Path(os.environ.get("W2V_CORPUS", Path(prepared or runs, "corpus")))
    if not list(runs.glob("releases/*/manifest.json")):
        _make(corpus.absolute(), runs.absolute())
    pipeline = os.environ.get("W2V_PIPELINE", DEMO)
    return Workspace(corpus.absolute(), runs.absolute(), pipeline)


def is_demo() -> bool:
    """Whether a notebook runs as it stands, so that it knows what figures come out.

    A switch that names other data, another model or another length makes them others.
    """
    return not any(name.startswith("W2V_") and name != PREPARED for name in os.environ)


@dataclass(frozen=True)
class Utterance:
    """A recording and what was said in it."""

    id: str
    text: str
    waveform: np.ndarray

    @property
    def speaker(self) -> str:
        return self.id.split("-")[0]


def read_utterances(subset: Path, count: int) -> list[Utterance]:
    """So many utterances of a subset in LibriSpeech layout, spread evenly over its speakers."""
    transcripts = sorted(subset.glob("*/*/*.trans.txt"))
    lines = [(path, line) for path in transcripts for line in path.read_text().splitlines()]
    chosen = np.linspace(0, len(lines) - 1, min(count, len(lines))).round().astype(int)
    utterances = []
    for path, line in (lines[index] for index in chosen):
        identity, _, text = line.partition(" ")
        utterances.append(Utterance(identity, text, read_audio(path.with_name(f"{identity}.flac"))))
    return utterances


def w2v(*arguments: str | Path) -> str:
    """What the command prints; where it fails, what it said of that is raised."""
    command = [sys.executable, "-m", "pipeline.cli", *map(str, arguments)]
    plain = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=plain | {"COLUMNS": "100"}, cwd=REPOSITORY
    )
    if done.returncode:
        raise RuntimeError(done.stderr or done.stdout)
    return done.stdout


def _make(corpus: Path, runs: Path) -> None:
    """What `make demo` does; a corpus that is there is taken as it is."""
    if not corpus.exists():
        w2v("corpus", "--to", corpus, "--utterances", "700")
    w2v("run", DEMO, "--root", runs, "--set", f"data.corpus={corpus}")


def _newest(paths: Iterable[Path]) -> Path:
    """The one whose execution or release has the highest number: the last one in its path."""
    found = list(paths)
    if not found:
        raise FileNotFoundError("The workspace holds no finished run; remove it to make it anew.")
    return max(found, key=lambda path: [int(part) for part in path.parts if part.isdigit()][-1])
