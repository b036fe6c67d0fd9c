"""Folders of releases on a disk and in an object store, and models to publish there."""

import uuid

import pytest

from components.release_pusher.releases import no_pages, publish
from schemas.release_manifest import Provenance

PROVENANCE = Provenance("tiny", "c" * 64, "d" * 64, "e" * 64, 0, "1.0")


@pytest.fixture(params=["disk", "object store"])
def root(request, tmp_path) -> str:
    """A place for releases; TensorFlow's memory filesystem stands in for a bucket.

    Of its listings, that of `1` would show the files of `10`: keep below ten versions.
    """
    return str(tmp_path / "releases") if request.param == "disk" else f"ram://{uuid.uuid4().hex}/r"


@pytest.fixture(params=["", "file://"], ids=["disk", "object store"])
def shared_root(request, tmp_path) -> str:
    """A place for releases that other processes see too; the second is used as a bucket is."""
    return f"{request.param}{tmp_path}/releases"


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph 1")
    (folder / "variables" / "data").write_bytes(b"weights")
    return folder


@pytest.fixture
def push(model):
    """Publish the model with this graph."""

    def push_it(folder, graph=None, evidence=None, name="tiny", pages=no_pages):
        if graph is not None:
            (model / "saved_model.pb").write_text(graph)
        sources, wer = {"": str(model)}, {"saved_model/unpadded": 0.01}
        return publish(folder, name, sources, evidence or {}, wer, PROVENANCE, pages)

    return push_it
