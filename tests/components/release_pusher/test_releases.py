"""Releases: numbered, atomic, checkable."""

import errno
import os
import threading

import pytest

from components.release_pusher import releases
from components.release_pusher.releases import list_releases, publish, verify
from models.errors import BadInputError
from schemas.release_manifest import Provenance

PROVENANCE = Provenance("tiny", "c" * 64, "d" * 64, "e" * 64, 0, "1.0")


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "data").write_bytes(b"weights")
    return folder


def push(folder, model, evidence=None, name="tiny"):
    return publish(
        folder, name, {"": str(model)}, evidence or {}, {"saved_model/unpadded": 0.01}, PROVENANCE
    )


def test_the_first_release_is_version_1_and_verifies(tmp_path, model):
    publication = push(tmp_path / "releases", model)
    assert publication.manifest.version == 1
    assert verify(publication.folder) == []
    assert list_releases(tmp_path / "releases") == [publication.manifest]


def test_the_same_content_again_is_the_same_release(tmp_path, model):
    push(tmp_path / "releases", model)
    again = push(tmp_path / "releases", model)
    assert again.already
    assert [release.version for release in list_releases(tmp_path / "releases")] == [1]


def test_another_report_of_the_same_model_is_no_new_release(tmp_path, model):
    for text in ("first", "second"):
        report = tmp_path / text
        report.mkdir()
        (report / "report.md").write_text(text)
        publication = push(tmp_path / "releases", model, {"report": str(report)})
    assert publication.already
    assert (tmp_path / "releases" / "1" / "report" / "report.md").read_text() == "first"


def test_another_pipelines_folder_is_refused(tmp_path, model):
    push(tmp_path / "releases", model)
    with pytest.raises(BadInputError, match=r"holds releases of 'tiny', not of 'other'"):
        push(tmp_path / "releases", model, name="other")
    assert [release.version for release in list_releases(tmp_path / "releases")] == [1]


def test_changed_content_is_the_next_version(tmp_path, model):
    push(tmp_path / "releases", model)
    (model / "saved_model.pb").write_bytes(b"better graph")
    assert push(tmp_path / "releases", model).manifest.version == 2


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda folder: (folder / "saved_model.pb").write_bytes(b"grapH"), "SHA-256 differs"),
        (lambda folder: (folder / "saved_model.pb").unlink(), "saved_model.pb is missing"),
        (lambda folder: (folder / "extra").write_bytes(b""), "extra was added"),
    ],
)
def test_verify_names_what_was_changed(tmp_path, model, damage, complaint):
    push(tmp_path / "releases", model)
    damage(tmp_path / "releases" / "1")
    assert complaint in verify(tmp_path / "releases" / "1")[0]


def test_a_full_disk_leaves_the_old_release_and_nothing_half_written(tmp_path, model, monkeypatch):
    push(tmp_path / "releases", model)
    (model / "saved_model.pb").write_bytes(b"better graph")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(releases.filesystem, "write_text", full)
    with pytest.raises(BadInputError, match="No space left on device"):
        push(tmp_path / "releases", model)
    assert sorted(os.listdir(tmp_path / "releases")) == ["1"]
    assert verify(tmp_path / "releases" / "1") == []


def test_pushers_at_once_each_get_a_version_of_their_own(tmp_path, model):
    folders = []
    for number in range(6):
        folder = tmp_path / f"model-{number}"
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(bytes([number]))
        folders.append(folder)
    threads = [
        threading.Thread(target=push, args=(tmp_path / "releases", folder)) for folder in folders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = [release.version for release in list_releases(tmp_path / "releases")]
    assert versions == [1, 2, 3, 4, 5, 6]


def test_a_folder_without_manifest_is_no_release(tmp_path):
    with pytest.raises(BadInputError, match=r"holds no manifest\.json"):
        verify(tmp_path)
