"""The demo pipeline, compiled for Vertex AI and rehearsed whole: its release is the local run's.

The smallest settings that still pass through every stage; `w2v run` gets the same.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.release_pusher.releases import read_manifest
from kubeflow.image.contents import stage_image

BUCKET = "gs://bucket/w2v"
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
OF_THE_MOMENT = ("report/", "saved_model.pb", "fingerprint.pb", "variables/")
SETTINGS = [word for setting in SMALLEST for word in ("--set", setting)]


def w2v(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments], capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("rehearsed")
    made = w2v("corpus", "--to", str(root / "corpus"), "--utterances", "60")
    assert made.returncode == 0, made.stderr
    return root


@pytest.fixture(scope="module")
def compiled(root) -> Path:
    path = root / "demo.json"
    done = w2v("compile", "demo", "--root", BUCKET, "--to", str(path), *SETTINGS)
    assert done.returncode == 0, done.stderr
    return path


def rehearse(compiled: Path, root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    corpus = compiled.parent / "corpus"
    mount = ("--mount", f"{BUCKET}/corpus={corpus}")
    return w2v("rehearse", str(compiled), "--root", str(root), "--json", *mount, *options)


@pytest.fixture(scope="module")
def rehearsed(compiled, root) -> dict:
    done = rehearse(compiled, root / "rehearsal")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_every_task_of_the_demo_runs_as_the_cluster_would_run_it(rehearsed):
    states = {task["name"]: task["state"] for task in rehearsed["tasks"]}
    assert set(states.values()) == {"SUCCEEDED"}
    assert {"SpeechExampleGen", "Trainer", "ReleaseGate", "ReleasePusher"} <= set(states)


@pytest.mark.slow
def test_the_release_of_the_rehearsal_is_that_of_a_local_run(rehearsed, root):
    ran = w2v("run", "demo", "--root", str(root), "--json", *SETTINGS)
    assert ran.returncode == 0, ran.stderr
    here = Path(json.loads(ran.stdout)["release"])
    there = root / "rehearsal" / "buckets" / "gs" / "bucket" / "w2v" / "releases" / "1"
    assert digests(there) == digests(here)
    assert_same_weights(there / "variables" / "variables", here / "variables" / "variables")
    rehearsed_release, local = read_manifest(there), read_manifest(here)
    assert rehearsed_release.wer == local.wer
    made_of = rehearsed_release.provenance
    assert made_of.data_fingerprint == local.provenance.data_fingerprint
    assert made_of.checkpoint_sha256 == local.provenance.checkpoint_sha256


def digests(release: Path) -> dict[str, str]:
    """The digest of each file that is the same whenever it is written.

    TensorFlow writes a SavedModel with names of the moment, and the report has times in it.
    """
    files = read_manifest(release).files
    return {file.path: file.sha256 for file in files if not file.path.startswith(OF_THE_MOMENT)}


def assert_same_weights(one: Path, other: Path) -> None:
    readers = [tf.train.load_checkpoint(str(variables)) for variables in (one, other)]
    types = readers[0].get_variable_to_dtype_map()
    assert types == readers[1].get_variable_to_dtype_map()
    weights = [name for name, dtype in types.items() if dtype.is_floating]
    assert weights  # what is left are the states of random generators, which start anywhere
    for name in weights:
        np.testing.assert_array_equal(*(reader.get_tensor(name) for reader in readers))


@pytest.mark.slow
def test_a_checkpoint_that_the_image_lacks_is_named(compiled, tmp_path):
    code = stage_image(tmp_path / "code")
    shutil.rmtree(code / "models" / "pretrained")
    done = rehearse(compiled, tmp_path / "rehearsal", "--image", str(code))
    assert done.returncode == 1
    failed = [task for task in json.loads(done.stdout)["tasks"] if task["state"] == "FAILED"]
    assert [task["name"] for task in failed] == ["CheckpointImporter"]
    assert "/opt/wav2vec2-tfx/models/pretrained/tiny-en" in failed[0]["cause"]
