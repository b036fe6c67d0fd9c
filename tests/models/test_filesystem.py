"""Files by small whole reads and writes, the same on a local disk and behind `://`."""

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import filesystem
from models.errors import BadInputError
from tests.storage_emulator import StorageEmulator, used_here

NAMES = st.lists(st.sampled_from(["a", "b", "c.txt"]), min_size=1, max_size=3).map("/".join)
FOLDERS = st.dictionaries(NAMES, st.binary(max_size=8), max_size=4).filter(
    # A name cannot be a file and a folder at once.
    lambda files: not any(other.startswith(f"{name}/") for name in files for other in files)
)


@pytest.fixture(scope="module")
def storage(tmp_path_factory) -> Iterator[StorageEmulator]:
    """Cloud Storage, whose pages are short, so that a listing takes several."""
    emulator = StorageEmulator("bucket", page_size=2)
    with used_here(emulator, tmp_path_factory.mktemp("storage")):
        yield emulator


@pytest.fixture(params=["", "file://", "gs://"], ids=["local", "remote", "bucket"])
def folder(request, tmp_path) -> str:
    """The same folder by Python's own files, by TensorFlow's filesystems, and in a bucket.

    Its folders are made beforehand: a bucket has none to make.
    """
    if request.param == "gs://":
        request.getfixturevalue("storage")
    place = f"gs://bucket{tmp_path}" if request.param == "gs://" else f"{request.param}{tmp_path}"
    filesystem.make_folder(filesystem.join(place, "b", "inner"))
    return place


def written(files: dict[str, bytes]) -> str:
    """The digest of a fresh folder that holds these files."""
    with tempfile.TemporaryDirectory() as place:
        for name, content in files.items():
            filesystem.write_bytes(filesystem.join(place, name), content)
        return filesystem.sha256_of_folder(place)


def test_what_is_written_is_read_back(folder):
    path = filesystem.join(folder, "b", "greeting.txt")
    assert not filesystem.exists(path)
    filesystem.write_text(path, "Grüße\r\n")
    assert filesystem.exists(path)
    assert filesystem.read_text(path) == "Grüße\r\n"
    assert filesystem.read_bytes(path) == "Grüße\r\n".encode()
    assert filesystem.size(path) == 9


def test_a_local_file_is_written_with_the_folders_above_it(tmp_path):
    filesystem.write_text(tmp_path / "some" / "where" / "file", "content")
    assert (tmp_path / "some" / "where" / "file").read_text() == "content"


def test_writing_again_replaces_the_whole_content(folder):
    path = filesystem.join(folder, "file")
    filesystem.write_bytes(path, b"a long content")
    filesystem.write_bytes(path, b"short")
    assert filesystem.read_bytes(path) == b"short"


def test_files_are_listed_sorted_relative_and_without_their_folders(folder):
    for name in ("z", "b/inner/deep", "b/a"):
        filesystem.write_text(filesystem.join(folder, name), "")
    assert filesystem.list_files(folder) == ["b/a", "b/inner/deep", "z"]


def test_the_digest_of_a_file_is_its_sha256_also_beyond_one_chunk(folder):
    content = bytes(range(256)) * (filesystem.HASH_CHUNK_BYTES // 256) + b"and a little more"
    path = filesystem.join(folder, "large")
    filesystem.write_bytes(path, content)
    assert filesystem.sha256_of_file(path) == hashlib.sha256(content).hexdigest()


def test_a_folder_has_the_same_digest_wherever_it_lies(tmp_path):
    for place in (tmp_path / "one", tmp_path / "other"):
        filesystem.write_text(place / "model" / "config.json", "{}")
        filesystem.write_text(place / "vocab.json", "[]")
    local = filesystem.sha256_of_folder(tmp_path / "one")
    assert local == filesystem.sha256_of_folder(f"file://{tmp_path}/other")


@settings(max_examples=50, deadline=None)
@given(FOLDERS, FOLDERS)
def test_folders_have_equal_digests_exactly_when_their_content_is_equal(one, other):
    assert written(one) == written(dict(reversed(one.items())))
    assert (written(one) == written(other)) == (one == other)


@pytest.mark.parametrize(
    ("path", "remote"), [("gs://bucket/model", True), ("/data/model", False), ("model", False)]
)
def test_a_path_with_a_scheme_is_remote(path, remote):
    assert filesystem.is_remote(path) is remote


def test_a_json_object_is_read_and_anything_else_is_refused_by_name(folder):
    path = filesystem.join(folder, "settings.json")
    filesystem.write_text(path, '{"rate": 16000}')
    assert filesystem.read_json_object(path) == {"rate": 16_000}
    for broken in (b"", b"{", b"[1]", b"\xff\xfe"):
        filesystem.write_bytes(path, broken)
        with pytest.raises(BadInputError, match=r"settings\.json .*fetch the file again"):
            filesystem.read_json_object(path)


def test_files_and_folders_are_removed_and_what_is_not_there_is_no_error(tmp_path):
    filesystem.write_text(tmp_path / "folder" / "deep" / "file", "text")
    filesystem.write_text(tmp_path / "file", "text")
    for name in ("folder", "file", "nothing"):
        filesystem.remove(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_names_what_is_in_it_and_a_missing_one_nothing(folder):
    assert filesystem.list_folder(folder) == ["b"]
    filesystem.write_text(filesystem.join(folder, "a.txt"), "")
    assert filesystem.list_folder(f"{folder}/") == ["a.txt", "b"]
    assert filesystem.list_folder(filesystem.join(folder, "nowhere")) == []


def test_a_file_is_copied_and_renamed_with_the_folders_above_it(folder):
    source, copy, renamed = (
        filesystem.join(folder, *names) for names in (["one"], ["new", "two"], ["newer", "three"])
    )
    filesystem.write_text(source, "text")
    filesystem.copy_file(source, copy)
    filesystem.write_text(source, "other")
    filesystem.rename_file(copy, renamed)
    assert filesystem.read_text(renamed) == "text"
    filesystem.rename_file(source, renamed)
    assert filesystem.read_text(renamed) == "other"
    assert filesystem.list_files(folder) == ["newer/three"]


def test_a_file_is_copied_between_filesystems(tmp_path):
    filesystem.write_bytes(tmp_path / "here", b"\x00\xff")
    filesystem.copy_file(tmp_path / "here", "ram://test-filesystem/folder/there")
    filesystem.copy_file("ram://test-filesystem/folder/there", tmp_path / "new" / "back")
    assert (tmp_path / "new" / "back").read_bytes() == b"\x00\xff"


def test_a_file_that_is_not_there_has_no_text(folder):
    for name in ("nothing", "b/nothing", "nowhere/nothing"):
        assert filesystem.read_text_if_there(filesystem.join(folder, name)) is None
    filesystem.write_text(filesystem.join(folder, "file"), "Grüße")
    assert filesystem.read_text_if_there(filesystem.join(folder, "file")) == "Grüße"


def test_what_is_below_a_file_is_not_there(tmp_path):
    (tmp_path / "file").write_text("")
    assert filesystem.read_text_if_there(tmp_path / "file" / "below") is None


def test_a_folder_is_flushed_with_all_that_is_in_it_before_its_own_names(tmp_path, monkeypatch):
    for name in ("folder/deep/file", "folder/file", "beside"):
        filesystem.write_text(tmp_path / name, "text")
    flushed, fsync = [], os.fsync

    def watched(descriptor):
        flushed.append(os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), tmp_path))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    filesystem.flush_folder_to_disk(tmp_path / "folder")
    assert flushed == ["folder/deep/file", "folder/deep", "folder/file", "folder"]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file_knows_when_it_was_written(scheme, tmp_path):
    filesystem.write_text(tmp_path / "file", "")
    os.utime(tmp_path / "file", times=(1_000_000, 1_000_000))
    assert filesystem.modified(f"{scheme}{tmp_path}/file") == 1_000_000


def test_an_object_knows_when_it_was_written(storage):
    before = int(time.time())
    filesystem.write_text("gs://bucket/file", "")
    assert before <= filesystem.modified("gs://bucket/file") <= time.time()


def test_a_bucket_that_is_busy_for_a_moment_is_asked_again(storage):
    storage.refusals.append(503)
    filesystem.write_text("gs://bucket/busy", "text")
    assert filesystem.read_text("gs://bucket/busy") == "text"
    assert storage.refusals == []


def test_a_large_file_reaches_a_bucket_in_one_request_that_it_may_be_seen_whole(storage):
    storage.requests.clear()
    with filesystem.open_binary("gs://bucket/large", "wb") as file:
        for _ in range(3):
            file.write(bytes(1 << 20))
            assert "large" not in storage.names("bucket")
    assert filesystem.size("gs://bucket/large") == 3 << 20
    assert sum(request.startswith("PUT") for request in storage.requests) == 1


def test_what_goes_wrong_below_a_path_is_caught_by_its_errors(folder):
    nothing = filesystem.join(folder, "nothing")
    for call in (filesystem.read_bytes, filesystem.modified, filesystem.sha256_of_file):
        with pytest.raises(filesystem.errors_of(folder)):
            call(nothing)


def test_a_listing_has_the_digest_of_the_folder_it_lists(folder):
    for name in ("z", "b/inner/deep"):
        filesystem.write_text(filesystem.join(folder, name), name)
    listing = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("z", "b/inner/deep")}
    assert filesystem.sha256_of_listing(listing) == filesystem.sha256_of_folder(folder)


def test_a_scheme_that_tensorflow_does_not_know_is_named():
    for known in ("/data/model", "model", "gs://bucket/model", "ram://model"):
        filesystem.refuse_unknown_scheme(known)
    with pytest.raises(BadInputError, match=r"no filesystem for nfs://host/model: it knows file"):
        filesystem.refuse_unknown_scheme("nfs://host/model")
