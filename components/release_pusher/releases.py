"""The folder of releases: numbered versions, each whole or not there at all.

    releases/
      3/ saved_model.pb variables/ …   what TF Serving loads
         tflite/…                      what a phone loads
         onnx/…                        what ONNX Runtime loads
         report/…                      why it was let out
         MODEL_CARD.md                 what it is for, from what, how good, and its limits
         manifest.json                 what it is, SHA-256 of every file

On a disk or in an object store; how a version appears there is told in `release_store`. Publishing
the content of the newest release again changes nothing, so a push may be retried. Two pushers of
the same content at the same instant may each publish it in an object store: a spare version, no
wrong one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from components.release_pusher.release_store import CLAIM_PREFIX, ReleaseStore, open_store
from models import filesystem
from models.errors import BadInputError, GateRefusedError
from schemas.release_manifest import (
    MANIFEST_FILE,
    Provenance,
    PublishedFile,
    ReleaseManifest,
)

NOT_WRITTEN = (
    "The release could not be written to {folder} ({told}); make room or name another "
    "release.folder. Earlier releases are untouched."
)
NOT_READ = "{folder} could not be read ({told}); mend what is wrong there, or name another folder."


@dataclass(frozen=True)
class Publication:
    """What publishing did. `already` is true where this very content was the latest release."""

    manifest: ReleaseManifest
    folder: str
    already: bool = False


# Texts about a version, by their place in it.
Pages = Callable[[ReleaseManifest], dict[str, str]]


def no_pages(manifest: ReleaseManifest) -> dict[str, str]:
    """A release that nothing is told of but its manifest."""
    return {}


def publish(
    folder: str | Path,
    name: str,
    sources: dict[str, str],
    evidence: dict[str, str],
    wer: dict[str, float],
    provenance: Provenance,
    pages: Pages = no_pages,
) -> Publication:
    """Publish `sources` (folders by their place in the release; "" is its top) as a new version.

    `evidence` goes beside them, and so do the `pages` that the manifest is told by; but the same
    sources with other evidence are no new version.
    Content that `w2v rollback` withdrew is refused as long as the rollback's release is kept:
    a retried or scheduled push must not bring it back behind the back of whoever withdrew it.
    """
    with _one_sentence_errors(folder):
        store = open_store(folder)
        store.sweep()
        model, report = _files_of(sources), _files_of(evidence)
        described = _describe(model)
        draft = ReleaseManifest(
            name=name,
            version=0,
            created=_now(),
            content_sha256=_content_of(described),
            files=(*described, *_describe(report)),
            wer=wer,
            provenance=provenance,
        )
        return _publish(store, model | report, draft, pages)


def roll_back(folder: str | Path, to: int | None = None) -> Publication:
    """Publish an older version's files again, as the newest: TF Serving follows the highest number.

    Without `to`, the version before the one whose files are the newest release, past any that was
    withdrawn itself. Hub models stay as they are (whoever loads one names its version), and so do
    the destinations, which are not known here.
    """
    with _one_sentence_errors(folder):
        store = open_store(folder)
        releases = _released(store)
        current = _newest(store, releases)
        target = _before(store, releases) if to is None else _of_version(store, releases, to)
        _refuse_changed(store, target)
        # Going forward again to what was withdrawn is no verdict on what was served meanwhile.
        goes_back = target.origin < current.origin
        draft = dataclasses.replace(
            target,
            created=_now(),
            restores=target.origin,
            rolled_back_from=current.version,
            rejected_sha256=current.content_sha256 if goes_back else "",
        )
        place = store.place(target.version)
        files = {file.path: filesystem.join(place, file.path) for file in target.files}
        return _publish(store, files, draft)


def keep_last(folder: str | Path, count: int) -> list[int]:
    """Remove all but the newest `count` releases (0: none) and say which; never the newest."""
    if not count:
        return []
    with _one_sentence_errors(folder):
        store = open_store(folder)
        versions = [release.version for release in _released(store)[:-count]]
        for version in versions:
            store.withdraw(version)
        return versions


def list_releases(folder: str | Path) -> list[ReleaseManifest]:
    """Every release, oldest first."""
    with _one_sentence_errors(folder, NOT_READ):
        return _released(open_store(folder))


def rejected_contents(releases: list[ReleaseManifest]) -> dict[str, ReleaseManifest]:
    """By its digest, content that was rolled back and not brought back since, and by what."""
    rejected: dict[str, ReleaseManifest] = {}
    for release in releases:
        rejected.pop(release.content_sha256, None)
        if release.rejected_sha256:
            rejected[release.rejected_sha256] = release
    return rejected


def read_manifest(release: str | Path) -> ReleaseManifest:
    """The manifest of a release's folder."""
    filesystem.refuse_unknown_scheme(release)
    with _one_sentence_errors(release, NOT_READ):
        manifest = _manifest_if_any(str(release))
    if manifest is None:
        raise BadInputError(f"{release} is no release: it holds no {MANIFEST_FILE}.")
    return manifest


def verify(release: str | Path) -> list[str]:
    """What is wrong with a release's files: one sentence each, none where all is well."""
    with _one_sentence_errors(release, NOT_READ):
        return _differences(str(release), read_manifest(release))


def _differences(release: str, manifest: ReleaseManifest) -> list[str]:
    wrong = []
    there = set(filesystem.list_files(release))
    for file in manifest.files:
        if file.path not in there:
            wrong.append(f"{file.path} is missing")
        elif filesystem.sha256_of_file(filesystem.join(release, file.path)) != file.sha256:
            wrong.append(f"{file.path} is not what was published (SHA-256 differs)")
    extra = there - {file.path for file in manifest.files} - {MANIFEST_FILE}
    return wrong + [
        f"{path} was added after publishing"
        for path in sorted(extra)
        if not path.startswith(CLAIM_PREFIX)  # a pusher that died right after it published
    ]


def _publish(
    store: ReleaseStore, files: dict[str, str], draft: ReleaseManifest, pages: Pages = no_pages
) -> Publication:
    """Publish files (by their place in the release) under the next number, unless it is done."""
    if done := _done(store, draft):
        return done
    with store.staging() as staged:
        for place, source in files.items():
            filesystem.copy_file(source, filesystem.join(staged, place))
        while True:
            # The number before the look: whoever publishes in between takes this very number.
            version = store.next_number()
            if done := _done(store, draft):
                return done
            manifest = _with_pages(dataclasses.replace(draft, version=version), pages, staged)
            text = json.dumps(dataclasses.asdict(manifest), indent=1)
            filesystem.write_text(filesystem.join(staged, MANIFEST_FILE), text)
            if store.appear(staged, version):
                return Publication(manifest, store.place(version))


def _with_pages(manifest: ReleaseManifest, pages: Pages, staged: str) -> ReleaseManifest:
    """The manifest of a staged release with the pages that tell of this very version."""
    written = {}
    for place, text in pages(manifest).items():
        written[place] = filesystem.join(staged, place)
        filesystem.write_text(written[place], text)
    return dataclasses.replace(manifest, files=(*manifest.files, *_describe(written)))


def _done(store: ReleaseStore, draft: ReleaseManifest) -> Publication | None:
    """The newest release where it is what the draft would become; refuses what must not be."""
    releases = _released(store)
    if not releases:
        return None
    newest = releases[-1]
    if newest.name != draft.name:
        raise BadInputError(
            f"{store.root} holds releases of {newest.name!r}, not of {draft.name!r}: give this "
            "pipeline a release.folder of its own."
        )
    if newest.content_sha256 == draft.content_sha256:
        return Publication(newest, store.place(newest.version), already=True)
    if draft.restores is None:
        _refuse_rejected(store, releases, draft.content_sha256)
    return None


def _refuse_rejected(store: ReleaseStore, releases: list[ReleaseManifest], content: str) -> None:
    rollback = rejected_contents(releases).get(content)
    if rollback is None:
        return
    kept = [release.version for release in releases if release.content_sha256 == content]
    cure = f"; `w2v rollback --folder {store.root} --to {kept[-1]}` brings it back" if kept else ""
    raise GateRefusedError(
        f"This very model was published as version {rollback.rolled_back_from} and rolled back on "
        f"{rollback.created[:10]}, so it was not published again: train another{cure}."
    )


def _newest(store: ReleaseStore, releases: list[ReleaseManifest]) -> ReleaseManifest:
    if not releases:
        raise BadInputError(f"Nothing has been published in {store.root} yet; name another folder.")
    return releases[-1]


def _before(store: ReleaseStore, releases: list[ReleaseManifest]) -> ReleaseManifest:
    rejected = rejected_contents(releases)
    current = releases[-1]
    older = [
        release
        for release in releases
        if release.origin < current.origin
        and release.content_sha256 not in {*rejected, current.content_sha256}
    ]
    if not older:
        raise BadInputError(
            f"There is nothing to roll back to in {store.root}: no version before "
            f"{current.version} is left that was not rolled back itself; publish a new one, or "
            "name a version by --to."
        )
    return max(older, key=lambda release: (release.origin, release.version))


def _of_version(
    store: ReleaseStore, releases: list[ReleaseManifest], version: int
) -> ReleaseManifest:
    for release in releases:
        if release.version == version:
            return release
    there = ", ".join(str(release.version) for release in releases)
    raise BadInputError(f"There is no version {version} in {store.root}; choose one of {there}.")


def _refuse_changed(store: ReleaseStore, release: ReleaseManifest) -> None:
    place = store.place(release.version)
    if problems := verify(place):
        raise BadInputError(
            f"Version {release.version} cannot be restored, {place} is not as published: "
            f"{'; '.join(problems)}; choose another version by --to."
        )


def _released(store: ReleaseStore) -> list[ReleaseManifest]:
    # A number without a manifest is a version that is just being written or removed.
    manifests = (_manifest_if_any(store.place(number)) for number in store.numbers())
    return [manifest for manifest in manifests if manifest is not None]


def _manifest_if_any(release: str) -> ReleaseManifest | None:
    path = filesystem.join(release, MANIFEST_FILE)
    text = filesystem.read_text_if_there(path)
    if text is None:
        return None
    try:
        return TypeAdapter(ReleaseManifest).validate_json(text)
    except ValidationError as error:
        raise BadInputError(
            f"{path} is not a release's manifest ({error.error_count()} fields are wrong); remove "
            f"{release}, or put back the file that was published."
        ) from error


def _files_of(sources: dict[str, str]) -> dict[str, str]:
    """Where each file comes from, by its place in the release."""
    return {
        filesystem.join(place, name): filesystem.join(source, name)
        for place, source in sources.items()
        for name in filesystem.list_files(source)
    }


def _describe(files: dict[str, str]) -> tuple[PublishedFile, ...]:
    return tuple(
        PublishedFile(place, filesystem.size(path), filesystem.sha256_of_file(path))
        for place, path in sorted(files.items())
    )


def _content_of(files: tuple[PublishedFile, ...]) -> str:
    return filesystem.sha256_of_listing({file.path: file.sha256 for file in files})


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def _one_sentence_errors(folder: str | Path, sentence: str = NOT_WRITTEN) -> Iterator[None]:
    """What a filesystem refuses, as what the user can do about it."""
    try:
        yield
    except filesystem.errors_of(folder) as error:
        told = getattr(error, "strerror", None) or getattr(error, "message", None) or error
        raise BadInputError(sentence.format(folder=folder, told=told)) from error
