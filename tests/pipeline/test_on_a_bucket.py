"""A whole run on Cloud Storage: corpus, checkpoint, artifacts and release lie in a bucket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.release_pusher.releases import read_manifest, verify
from tests.command_line import SMALLEST, Ran, make_corpus, set_each, w2v
from tests.storage_emulator import StorageEmulator, used_here

SHIPPED = Path(__file__).parents[2] / "models" / "pretrained" / "tiny-en"
ON_THE_BUCKET = (
    *SMALLEST,
    "data.corpus=gs://bucket/corpus",
    "model.checkpoint=gs://bucket/checkpoint",
    "runner.artifacts=gs://bucket/artifacts",
    "release.folder=gs://bucket/releases",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def storage(tmp_path_factory) -> Iterator[StorageEmulator]:
    """A bucket with a corpus and a checkpoint."""
    emulator = StorageEmulator("bucket")
    emulator.upload(make_corpus(tmp_path_factory.mktemp("corpus")), to="bucket/corpus")
    emulator.upload(SHIPPED, to="bucket/checkpoint")
    with used_here(emulator, tmp_path_factory.mktemp("storage")):
        yield emulator


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("root")


def run(root: Path) -> Ran:
    ran = w2v("run", "demo", "--root", str(root), "--json", *set_each(*ON_THE_BUCKET))
    assert ran.code == 0, ran.stderr
    return ran


@pytest.fixture(scope="module")
def first(storage, root) -> Ran:
    return run(root)


@pytest.fixture(scope="module")
def again(first, root) -> Ran:
    return run(root)


def test_the_release_in_the_bucket_is_whole(first):
    release = first.outcome["release"]
    assert release == "gs://bucket/releases/1"
    assert verify(release) == []
    manifest = read_manifest(release)
    assert manifest.wer == pytest.approx(first.outcome["wer"])
    assert manifest.provenance.checkpoint == "gs://bucket/checkpoint"


def test_every_node_keeps_what_it_makes_in_the_bucket_alone(first, storage, root):
    below = "artifacts/demo/"
    names = [name.removeprefix(below) for name in storage.names("bucket") if name.startswith(below)]
    kept = {name.partition("/")[0] for name in names}
    assert {"SpeechExampleGen", "Transform", "Trainer", "ModelExporter", "WerEvaluator"} < kept
    assert not (root / "pipeline").exists()
    assert not list(root.rglob("gs:*"))  # an address taken for a folder's name


def test_the_same_run_again_is_served_from_the_cache(again):
    assert again.outcome["already_published"]
    assert "Trainer              from cache" in again.stderr


def test_the_release_is_traced_and_its_files_are_checked_from_the_shell(again, root):
    assert w2v("verify", "gs://bucket/releases/1").code == 0
    traced = w2v("lineage", "gs://bucket/releases/1", "--root", str(root), "--json")
    assert traced.code == 0, traced.stderr
    assert traced.outcome["made"]["chain"][-1]["node"] == "ReleasePusher"
