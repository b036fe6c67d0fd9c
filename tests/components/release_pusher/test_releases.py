"""Releases: numbered, checkable, the same on a disk and in an object store."""

import errno
import os
import threading

import pytest

from components.release_pusher import releases
from components.release_pusher.releases import (
    keep_last,
    list_releases,
    publish,
    read_manifest,
    rejected_contents,
    roll_back,
    verify,
)
from models import filesystem
from models.errors import BadInputError, GateRefusedError


def versions(root):
    return [release.version for release in list_releases(root)]


def graph_of(publication):
    return filesystem.read_text(filesystem.join(publication.folder, "saved_model.pb"))


def test_a_folder_that_is_not_there_holds_no_releases(root):
    assert list_releases(root) == []


def test_the_first_release_is_version_1_and_verifies(root, push):
    publication = push(root)
    assert publication.manifest.version == 1
    assert publication.folder == filesystem.join(root, "1")
    assert verify(publication.folder) == []
    assert list_releases(root) == [publication.manifest]


def test_a_release_holds_its_sources_its_evidence_and_its_manifest_and_nothing_hidden(
    root, push, tmp_path
):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.md").write_text("good")
    push(root, evidence={"report": str(tmp_path / "report")})
    files = ["manifest.json", "report/report.md", "saved_model.pb", "variables/data"]
    assert filesystem.list_files(filesystem.join(root, "1")) == files
    assert filesystem.list_folder(root) == ["1"]


def test_pages_tell_of_the_version_that_the_release_became(root, push):
    push(root)
    pages = {"card.md": "version {0.version}", "more.md": "{0.name}"}
    publication = push(
        root,
        graph="graph 2",
        pages=lambda manifest: {place: text.format(manifest) for place, text in pages.items()},
    )
    place = publication.folder
    assert filesystem.read_text(filesystem.join(place, "card.md")) == "version 2"
    assert filesystem.read_text(filesystem.join(place, "more.md")) == "tiny"
    assert verify(place) == []
    filesystem.write_text(filesystem.join(place, "card.md"), "version 3")
    assert verify(place) == ["card.md is not what was published (SHA-256 differs)"]


def test_the_same_content_again_is_the_same_release(root, push):
    push(root)
    again = push(root)
    assert again.already
    assert again.manifest.version == 1
    assert versions(root) == [1]


def test_another_report_of_the_same_model_is_no_new_release(root, push, tmp_path):
    for text in ("first", "second"):
        report = tmp_path / text
        report.mkdir()
        (report / "report.md").write_text(text)
        publication = push(root, evidence={"report": str(report)})
    assert publication.already
    assert filesystem.read_text(filesystem.join(root, "1", "report", "report.md")) == "first"


def test_changed_content_is_the_next_version_and_an_older_content_too(root, push):
    assert push(root, "graph 1").manifest.version == 1
    assert push(root, "graph 2").manifest.version == 2
    assert push(root, "graph 1").manifest.version == 3


def test_another_pipelines_folder_is_refused(root, push):
    push(root)
    with pytest.raises(BadInputError, match=r"holds releases of 'tiny', not of 'other'"):
        push(root, name="other")
    assert versions(root) == [1]


def test_a_numbered_folder_without_manifest_is_no_release_but_its_number_is_taken(root, push):
    push(root, "graph 1")
    half = filesystem.join(root, "2")
    filesystem.make_folder(half)
    filesystem.write_text(filesystem.join(half, "saved_model.pb"), "graph")
    assert versions(root) == [1]
    assert push(root, "graph 3").manifest.version == 3


def test_a_damaged_manifest_is_named(root, push):
    path = filesystem.join(push(root).folder, "manifest.json")
    filesystem.write_text(path, '{"name": "tiny"')
    with pytest.raises(BadInputError, match=r"1/manifest\.json is not a release's manifest"):
        list_releases(root)


@pytest.mark.parametrize("scheme", ["", "file://"])
@pytest.mark.parametrize("call", [list_releases, read_manifest, verify])
def test_what_cannot_be_read_is_one_sentence(tmp_path, scheme, call):
    (tmp_path / "1" / "manifest.json").mkdir(parents=True)
    folder = f"{scheme}{tmp_path}" + ("" if call is list_releases else "/1")
    with pytest.raises(
        BadInputError, match=r"could not be read \(.*\); mend what is wrong"
    ) as told:
        call(folder)
    assert str(told.value).startswith(folder)


def change(path):
    filesystem.remove(path)
    filesystem.write_text(path, "other")


@pytest.mark.parametrize(
    ("damage", "name", "complaint"),
    [
        (change, "saved_model.pb", "saved_model.pb is not what was published (SHA-256 differs)"),
        (filesystem.remove, "saved_model.pb", "saved_model.pb is missing"),
        (lambda path: filesystem.write_text(path, ""), "extra", "extra was added after publishing"),
    ],
)
def test_verify_names_what_was_changed(root, push, damage, name, complaint):
    folder = push(root).folder
    damage(filesystem.join(folder, name))
    assert verify(folder) == [complaint]


def test_a_full_disk_leaves_the_old_release_and_nothing_half_written(tmp_path, push, monkeypatch):
    root = tmp_path / "releases"
    push(root)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(releases.filesystem, "write_text", full)
    with pytest.raises(BadInputError, match="No space left on device"):
        push(root, "better graph")
    assert sorted(os.listdir(root)) == ["1"]
    assert verify(root / "1") == []


@pytest.mark.parametrize("root", ["/proc/releases", "file:///proc/releases"])
def test_a_place_that_cannot_be_written_is_one_sentence(root, push):
    with pytest.raises(BadInputError, match=r"could not be written to .*/proc/releases \(.*name"):
        push(root)


@pytest.mark.parametrize("call", [list_releases, read_manifest, roll_back])
def test_a_filesystem_that_tensorflow_does_not_know_is_named(call):
    with pytest.raises(BadInputError, match=r"no filesystem for s3a?://bucket/r: it knows file"):
        call("s3a://bucket/r")


def test_threads_that_push_at_once_each_get_a_version_of_their_own(shared_root, tmp_path, push):
    provenance = push(tmp_path / "other").manifest.provenance
    folders = [tmp_path / f"model-{number}" for number in range(6)]
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(bytes([number]))
    threads = [
        threading.Thread(target=publish, args=(shared_root, "t", {"": str(f)}, {}, {}, provenance))
        for f in folders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    published = list_releases(shared_root)
    assert len({release.version for release in published}) == 6
    assert len({release.content_sha256 for release in published}) == 6


@pytest.mark.parametrize("folder", ["empty", "nowhere"])
def test_a_folder_without_manifest_is_no_release_to_verify(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match=r"holds no manifest\.json"):
        verify(tmp_path / folder)


class TestKeepLast:
    def test_older_versions_are_removed_and_the_kept_ones_verify(self, root, push):
        for number in range(5):
            push(root, f"graph {number}")
        assert keep_last(root, 2) == [1, 2, 3]
        assert filesystem.list_folder(root) == ["4", "5"]
        assert [verify(filesystem.join(root, name)) for name in ("4", "5")] == [[], []]

    def test_zero_keeps_all(self, root, push):
        push(root, "graph 1")
        push(root, "graph 2")
        assert keep_last(root, 0) == []
        assert versions(root) == [1, 2]

    def test_the_newest_stays_and_its_number_is_never_given_again(self, root, push):
        push(root, "graph 1")
        push(root, "graph 2")
        assert keep_last(root, 1) == [1]
        assert keep_last(root, 1) == []
        assert versions(root) == [2]
        assert push(root, "graph 3").manifest.version == 3

    def test_a_reader_in_the_middle_of_a_file_reads_it_to_its_end(self, tmp_path, push):
        root = tmp_path / "releases"
        push(root, "graph 1")
        with open(root / "1" / "saved_model.pb") as reader:
            assert reader.read(2) == "gr"
            push(root, "graph 2")
            keep_last(root, 1)
            assert reader.read() == "aph 1"


class TestRollBack:
    def test_the_version_before_the_newest_becomes_the_newest(self, root, push):
        push(root, "graph 1")
        push(root, "graph 2")
        publication = roll_back(root)
        manifest = publication.manifest
        assert (manifest.version, manifest.restores, manifest.rolled_back_from) == (3, 1, 2)
        assert graph_of(publication) == "graph 1"
        assert verify(publication.folder) == []
        assert versions(root) == [1, 2, 3]

    def test_its_scores_and_provenance_are_those_of_what_it_restores(self, root, push):
        first = push(root, "graph 1").manifest
        push(root, "graph 2")
        manifest = roll_back(root).manifest
        assert (manifest.wer, manifest.provenance) == (first.wer, first.provenance)
        assert (manifest.files, manifest.content_sha256) == (first.files, first.content_sha256)

    def test_again_goes_one_further_back_and_not_to_what_was_withdrawn(self, root, push):
        for number in (1, 2, 3):
            push(root, f"graph {number}")
        assert graph_of(roll_back(root)) == "graph 2"
        assert graph_of(roll_back(root)) == "graph 1"
        with pytest.raises(BadInputError, match=r"nothing to roll back to in .*: no version"):
            roll_back(root)
        assert versions(root) == [1, 2, 3, 4, 5]

    def test_from_a_newer_push_it_passes_over_what_was_withdrawn_before(self, root, push):
        push(root, "graph 1")
        push(root, "graph 2")
        roll_back(root)
        push(root, "graph 4")
        publication = roll_back(root)
        assert graph_of(publication) == "graph 1"
        assert publication.manifest.restores == 1

    def test_any_version_can_be_named(self, root, push):
        for number in (1, 2, 3):
            push(root, f"graph {number}")
        assert graph_of(roll_back(root, to=1)) == "graph 1"

    def test_the_same_named_version_again_changes_nothing(self, root, push):
        push(root, "graph 1")
        push(root, "graph 2")
        roll_back(root, to=1)
        again = roll_back(root, to=1)
        assert again.already
        assert versions(root) == [1, 2, 3]

    def test_a_single_release_has_nothing_before_it(self, root, push):
        push(root)
        with pytest.raises(BadInputError, match="nothing to roll back to"):
            roll_back(root)

    def test_an_empty_folder_says_that_nothing_was_published(self, root):
        with pytest.raises(BadInputError, match=r"Nothing has been published in .* yet"):
            roll_back(root)

    def test_a_version_that_is_not_there_names_those_that_are(self, root, push):
        push(root, "graph 1")
        push(root, "graph 2")
        with pytest.raises(BadInputError, match=r"no version 7 in .*; choose one of 1, 2\."):
            roll_back(root, to=7)

    def test_a_version_that_was_changed_is_not_restored(self, root, push):
        change(filesystem.join(push(root, "graph 1").folder, "variables", "data"))
        push(root, "graph 2")
        with pytest.raises(BadInputError, match=r"1 cannot be restored.* variables/data is not"):
            roll_back(root)
        assert versions(root) == [1, 2]


class TestWhatWasRolledBack:
    """A retried push must not bring back what somebody withdrew."""

    @pytest.fixture
    def rolled_back(self, root, push):
        push(root, "graph 1")
        push(root, "graph 2")
        roll_back(root)
        return root

    def test_is_refused_and_the_sentence_says_how_to_bring_it_back(self, rolled_back, push):
        with pytest.raises(GateRefusedError, match=r"version 2 and rolled back .*--to 2` brings"):
            push(rolled_back, "graph 2")
        assert versions(rolled_back) == [1, 2, 3]

    def test_is_still_refused_when_its_version_and_what_came_after_were_published_since(
        self, rolled_back, push
    ):
        push(rolled_back, "graph 4")
        keep_last(rolled_back, 2)
        with pytest.raises(GateRefusedError, match=r"published again: train another\."):
            push(rolled_back, "graph 2")

    def test_is_forgotten_with_the_rollbacks_release(self, rolled_back, push):
        push(rolled_back, "graph 4")
        keep_last(rolled_back, 1)
        assert push(rolled_back, "graph 2").manifest.version == 5

    def test_leaves_the_restored_content_published_already(self, rolled_back, push):
        again = push(rolled_back, "graph 1")
        assert again.already
        assert again.manifest.version == 3

    def test_does_not_hold_back_another_model(self, rolled_back, push):
        assert push(rolled_back, "graph 5").manifest.version == 4

    def test_comes_back_by_name_and_is_withdrawn_no_more(self, rolled_back, push):
        publication = roll_back(rolled_back, to=2)
        assert graph_of(publication) == "graph 2"
        assert rejected_contents(list_releases(rolled_back)) == {}
        push(rolled_back, "graph 5")
        assert push(rolled_back, "graph 2").manifest.version == 6
