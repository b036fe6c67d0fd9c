"""The demo pipeline, compiled for each service and rehearsed whole: its release is the local run's.

The smallest settings that still pass through every stage; `w2v run` gets the same.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.release_pusher.releases import read_manifest
from kubeflow.image.contents import stage_image
from tests.command_line import SMALLEST, Ran, make_corpus, set_each, w2v

BUCKET = "gs://bucket/w2v"
OF_THE_MOMENT = ("report/", "saved_model.pb", "fingerprint.pb", "variables/", "MODEL_CARD.md")
FILES = {"vertex": "demo.json", "kfp": "demo.yaml"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """The folder of a local run, and of what is compiled to be compared with it."""
    root = tmp_path_factory.mktemp("rehearsed")
    make_corpus(root / "corpus")
    return root


@pytest.fixture(scope="module", params=FILES)
def compiled(request, root) -> Path:
    """The demo for one of the two services."""
    path = root / FILES[request.param]
    where = ("--target", request.param, "--root", BUCKET, "--to", str(path))
    done = w2v("compile", "demo", *where, *set_each(*SMALLEST))
    assert done.code == 0, done.stderr
    return path


def rehearse(compiled: Path, root: Path, *options: str) -> Ran:
    mount = ("--mount", f"{BUCKET}/corpus={compiled.parent / 'corpus'}")
    return w2v("rehearse", str(compiled), "--root", str(root), "--json", *mount, *options)


@pytest.fixture(scope="module")
def rehearsal(compiled) -> Path:
    """The folder that stands for the buckets."""
    return compiled.with_suffix(".rehearsal")


@pytest.fixture(scope="module")
def rehearsed(compiled, rehearsal) -> dict:
    done = rehearse(compiled, rehearsal)
    assert done.code == 0, done.stderr
    return done.outcome


@pytest.fixture(scope="module")
def local_release(root) -> Path:
    """What `w2v run` publishes from the same config."""
    ran = w2v("run", "demo", "--root", str(root), "--json", *set_each(*SMALLEST))
    assert ran.code == 0, ran.stderr
    return Path(ran.outcome["release"])


def test_every_task_of_the_demo_runs_as_the_cluster_would_run_it(rehearsed):
    states = {task["name"]: task["state"] for task in rehearsed["tasks"]}
    assert set(states.values()) == {"SUCCEEDED"}
    assert {"SpeechExampleGen", "Trainer", "ReleaseGate", "ReleasePusher"} <= set(states)


def test_the_release_of_the_rehearsal_is_that_of_a_local_run(rehearsed, rehearsal, local_release):
    there = rehearsal / "buckets" / "gs" / "bucket" / "w2v" / "releases" / "1"
    assert digests(there) == digests(local_release)
    assert_same_weights(*(one / "variables" / "variables" for one in (there, local_release)))
    ours, local = read_manifest(there), read_manifest(local_release)
    assert ours.wer == local.wer
    assert ours.provenance.data_fingerprint == local.provenance.data_fingerprint
    assert ours.provenance.checkpoint_sha256 == local.provenance.checkpoint_sha256


def digests(release: Path) -> dict[str, str]:
    """The digest of each file that is the same whenever it is written.

    TensorFlow writes a SavedModel with names of the moment; report and card have times in them.
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


def test_a_checkpoint_that_the_image_lacks_is_named(compiled, tmp_path):
    code = stage_image(tmp_path / "code")
    shutil.rmtree(code / "models" / "pretrained")
    done = rehearse(compiled, tmp_path / "rehearsal", "--image", str(code))
    assert done.code == 1
    failed = [task for task in done.outcome["tasks"] if task["state"] == "FAILED"]
    assert [task["name"] for task in failed] == ["CheckpointImporter"]
    assert "/opt/wav2vec2-tfx/models/pretrained/tiny-en" in failed[0]["cause"]
