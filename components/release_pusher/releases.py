"""The folder of releases: numbered versions, each whole or not there at all.

    releases/
      3/ saved_model.pb variables/ …   what TF Serving loads
         tflite/…                      what a phone loads
         onnx/…                        what ONNX Runtime loads
         report/…                      why it was let out
         manifest.json                 what it is, SHA-256 of every file

A version is prepared under a hidden name and appears by one rename. A reader that picks the
highest number therefore sees the old release or the new one, never half of either; a pusher that
is killed leaves only a hidden folder, which the next one sweeps away.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import shutil
import time
import uuid
from pathlib import Path

from pydantic import TypeAdapter

from models import filesystem
from models.errors import BadInputError
from schemas.release_manifest import (
    MANIFEST_FILE,
    Provenance,
    PublishedFile,
    ReleaseManifest,
)

INCOMING_PREFIX = ".incoming-"
# Another pusher may be at work; only what is older than this is a dead one's leftover.
STALE_SECONDS = 24 * 3600


@dataclasses.dataclass(frozen=True)
class Publication:
    """What publishing did. `already` is true where this very content was the latest release."""

    manifest: ReleaseManifest
    folder: str
    already: bool = False


def publish(
    folder: str | Path,
    name: str,
    sources: dict[str, str],
    evidence: dict[str, str],
    wer: dict[str, float],
    provenance: Provenance,
) -> Publication:
    """Publish `sources` (folders by their place in the release; "" is its top) as a new version.

    `evidence` goes beside them, but the same sources with other evidence are no new version.
    """
    root = Path(folder)
    try:
        root.mkdir(parents=True, exist_ok=True)
        _sweep_stale(root)
        incoming = root / f"{INCOMING_PREFIX}{uuid.uuid4().hex}"
        try:
            return _publish_from(incoming, root, name, sources, evidence, wer, provenance)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
    except OSError as error:
        raise BadInputError(
            f"The release could not be written to {root} ({error.strerror or error}); make room or "
            "name another release.folder. Earlier releases are untouched."
        ) from error


def list_releases(folder: str | Path) -> list[ReleaseManifest]:
    """Every release, oldest first."""
    root = Path(folder)
    if not root.is_dir():
        return []
    versions = sorted(int(place.name) for place in root.iterdir() if place.name.isdigit())
    return [read_manifest(root / str(version)) for version in versions]


def read_manifest(release: str | Path) -> ReleaseManifest:
    path = filesystem.join(release, MANIFEST_FILE)
    if not filesystem.exists(path):
        raise BadInputError(f"{release} is no release: it holds no {MANIFEST_FILE}.")
    return TypeAdapter(ReleaseManifest).validate_json(filesystem.read_text(path))


def verify(release: str | Path) -> list[str]:
    """What is wrong with a release's files: one sentence each, none where all is well."""
    wrong = []
    manifest = read_manifest(release)
    for file in manifest.files:
        path = filesystem.join(release, file.path)
        if not filesystem.exists(path):
            wrong.append(f"{file.path} is missing")
        elif filesystem.sha256_of_file(path) != file.sha256:
            wrong.append(f"{file.path} is not what was published (SHA-256 differs)")
    known = {file.path for file in manifest.files} | {MANIFEST_FILE}
    extra = set(filesystem.list_files(release)) - known
    return wrong + [f"{path} was added after publishing" for path in sorted(extra)]


def _publish_from(
    incoming: Path,
    root: Path,
    name: str,
    sources: dict[str, str],
    evidence: dict[str, str],
    wer: dict[str, float],
    provenance: Provenance,
) -> Publication:
    _copy(sources, incoming)
    content = filesystem.sha256_of_folder(incoming)
    releases = list_releases(root)
    _refuse_foreign(root, releases, name)
    if releases and releases[-1].content_sha256 == content:
        return Publication(releases[-1], str(root / str(releases[-1].version)), already=True)
    _copy(evidence, incoming)
    manifest = ReleaseManifest(
        name=name,
        version=releases[-1].version + 1 if releases else 1,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        content_sha256=content,
        files=tuple(_describe(incoming, path) for path in filesystem.list_files(incoming)),
        wer=wer,
        provenance=provenance,
    )
    return _take_number(incoming, root, manifest)


def _take_number(incoming: Path, root: Path, manifest: ReleaseManifest) -> Publication:
    """Rename what was prepared to the next free version."""
    while True:
        text = json.dumps(dataclasses.asdict(manifest), indent=1)
        filesystem.write_text(incoming / MANIFEST_FILE, text)
        _flush_to_disk(incoming)
        target = root / str(manifest.version)
        try:
            os.rename(incoming, target)
        except OSError:
            if not target.exists():
                raise
            # Another pusher has just taken the number.
            manifest = dataclasses.replace(manifest, version=manifest.version + 1)
            continue
        return Publication(manifest, str(target))


def _refuse_foreign(root: Path, releases: list[ReleaseManifest], name: str) -> None:
    if releases and releases[-1].name != name:
        raise BadInputError(
            f"{root} holds releases of {releases[-1].name!r}, not of {name!r}: give this pipeline "
            "a release.folder of its own."
        )


def _copy(sources: dict[str, str], incoming: Path) -> None:
    for place, source in sources.items():
        shutil.copytree(source, incoming / place, dirs_exist_ok=True)


def _describe(folder: Path, path: str) -> PublishedFile:
    full = folder / path
    return PublishedFile(path, full.stat().st_size, filesystem.sha256_of_file(full))


def _flush_to_disk(folder: Path) -> None:
    """A rename must not reach the disk before the bytes it names."""
    for name in filesystem.list_files(folder):
        descriptor = os.open(folder / name, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sweep_stale(root: Path) -> None:
    for place in root.glob(f"{INCOMING_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):  # another pusher has just finished it
            if time.time() - place.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(place, ignore_errors=True)
