"""The notebooks find the corpus and the run that they work on, whatever lies beside them."""

from __future__ import annotations

import os
import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).parents[2] / "notebooks" / "support" / "workspace.py"


@pytest.fixture(scope="module")
def support():
    """The module alone: its package turns warnings off for the whole process."""
    spec = util.spec_from_file_location("notebook_workspace", FILE)
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A prepared workspace: releases 1, 9 and 10, and what nodes of two runs left."""
    for number in (1, 9, 10):
        write(tmp_path / "w2v-runs" / "releases" / str(number) / "manifest.json")
    nodes = tmp_path / "w2v-runs" / "pipeline" / "demo"
    for number in (7, 11):
        write(nodes / "Trainer" / "model" / str(number) / "Format-Serving" / "config.json")
        write(nodes / "SpeechExampleGen" / "examples" / str(number) / "Split-dev" / "data-0")
    write(nodes / "Trainer" / "model" / "12" / "checkpoints" / "state")  # it was killed
    monkeypatch.setenv("W2V_DOCS_WORKSPACE", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("W2V_")]:
        if name != "W2V_DOCS_WORKSPACE":
            monkeypatch.delenv(name)
    return tmp_path


def write(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.touch()


def test_the_newest_is_the_one_of_the_highest_number(support, folder):
    run = support.workspace()
    assert run.corpus == folder / "corpus"
    assert run.release.name == "10"
    assert run.records("dev") == [
        str(folder / "w2v-runs/pipeline/demo/SpeechExampleGen/examples/11/Split-dev/*")
    ]


def test_a_training_that_was_killed_has_no_checkpoint_to_take(support, folder):
    assert support.workspace().checkpoint.parts[-2:] == ("11", "Format-Serving")


def test_what_no_run_has_left_is_told(support, folder):
    with pytest.raises(FileNotFoundError, match="no finished run"):
        _ = support.workspace().language_model


def test_the_environment_names_another_corpus_and_another_run(support, folder, monkeypatch):
    write(folder / "mine" / "releases" / "3" / "manifest.json")
    monkeypatch.setenv("W2V_CORPUS", str(folder / "LibriSpeech"))
    monkeypatch.setenv("W2V_RUNS", str(folder / "mine"))
    monkeypatch.setenv("W2V_PIPELINE", "librispeech")
    run = support.workspace()
    assert run.corpus == folder / "LibriSpeech"
    assert run.release == folder / "mine" / "releases" / "3"
    assert run.pipeline == "librispeech"


@pytest.mark.parametrize("switch", ["W2V_CORPUS", "W2V_CHECKPOINT", "W2V_STEPS"])
def test_figures_of_the_demo_are_expected_of_nothing_else(support, folder, monkeypatch, switch):
    assert support.is_demo()
    monkeypatch.setenv(switch, "7")
    assert not support.is_demo()


def test_utterances_are_drawn_from_all_speakers_with_what_they_said(support, noise_corpus):
    drawn = support.read_utterances(noise_corpus / "train-clean-100", 4)
    assert [one.speaker for one in drawn] == ["101", "101", "102", "102"]
    assert drawn[0].text == "CALL ANNA"
    assert drawn[0].waveform.dtype == np.float32


def test_no_more_utterances_are_drawn_than_there_are(support, noise_corpus):
    drawn = support.read_utterances(noise_corpus / "dev-clean", 100)
    assert [one.id for one in drawn] == [f"201-1-{number:04d}" for number in range(4)]


def test_a_command_that_fails_says_why(support, tmp_path):
    with pytest.raises(RuntimeError, match="There is no config"):
        support.w2v("config", "no-such-config")
