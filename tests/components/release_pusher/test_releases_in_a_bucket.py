"""Releases on Cloud Storage: TensorFlow's own gs:// filesystem, and a service on loopback."""

import pytest

from components.release_pusher.releases import list_releases, roll_back, verify
from models import filesystem
from tests.storage_emulator import StorageEmulator, used_here

ROOT = "gs://releases/demo"


@pytest.fixture
def storage(tmp_path):
    with used_here(StorageEmulator("releases"), tmp_path) as emulator:
        yield emulator


def test_versions_appear_are_verified_and_are_rolled_back(storage, push):
    assert push(ROOT, "graph 1").manifest.version == 1
    assert push(ROOT, "graph 2").manifest.version == 2
    assert verify(f"{ROOT}/2") == []
    restored = roll_back(ROOT).manifest
    assert (restored.version, restored.restores) == (3, 1)
    assert filesystem.read_text(f"{ROOT}/3/saved_model.pb") == "graph 1"
    assert [release.version for release in list_releases(ROOT)] == [1, 2, 3]
    # Nothing half-written, staged or claimed is left behind.
    assert all(name.split("/")[1] in ("", "1", "2", "3") for name in storage.names("releases"))


def test_a_service_that_breaks_off_amid_a_push_leaves_no_version(storage, push):
    push(ROOT, "graph 1")
    answer = storage.answer

    def broken(method, url, headers, body):
        if method == "POST" and "/rewriteTo/" in url:
            storage.refusals.append(403)
        return answer(method, url, headers, body)

    storage.answer = broken
    with pytest.raises(Exception, match="gs://releases/demo"):
        push(ROOT, "graph 2")
    assert [release.version for release in list_releases(ROOT)] == [1]
    assert not [name for name in storage.names("releases") if name.startswith("demo/2/s")]
