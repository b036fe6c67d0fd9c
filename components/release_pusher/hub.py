"""Hub models as a web server offers them to TensorFlow Hub's client: one archive a version.

    hub/
      demo-encoder/
        3.tar.gz           the SavedModel: `tensorflow_hub.load("https://…/demo-encoder/3.tar.gz")`
        3.tar.gz.sha256    its digest, as `sha256sum --check` reads it
        3.md               its page

Whoever loads a model names its version, so a published archive is never changed or removed: not by
a retry, not by `release.keep_last`, not by a rollback. Each says in its tar header (the comment,
where `git archive` has the commit) of which release's content it is.
"""

from __future__ import annotations

import gzip
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import IO

from components.release_pusher.release_store import incoming, sweep_incoming
from models import filesystem
from models.artifact_kinds import HubKind
from models.errors import BadInputError
from schemas.release_manifest import ReleaseManifest

# What a page names where nobody said under which address the hub folder is given out.
EXAMPLE_ADDRESS = "https://hub.example.org"


def publish_hub(
    hub_folder: str,
    release: ReleaseManifest,
    models: Mapping[HubKind, str],
    pages: Mapping[HubKind, str] | None = None,
) -> list[str]:
    """Offer each model (kind: SavedModel folder) in the release's version; where the archives are.

    The archive comes after its digest and its page, each file whole or not at all: where there is
    an archive, the version is complete, and publishing the same release again changes nothing.
    """
    filesystem.refuse_unknown_scheme(hub_folder)
    try:
        return [
            _publish_one(
                filesystem.join(hub_folder, f"{release.name}-{kind}"),
                release,
                model,
                (pages or {}).get(kind),
            )
            for kind, model in sorted(models.items())
        ]
    except filesystem.errors_of(hub_folder) as error:
        raise BadInputError(
            f"The hub models could not be written to {hub_folder} ({error}); make room or name "
            "another release.hub_folder, then run again: the release itself is published."
        ) from error


def archive_url(address: str, name: str, kind: str, version: int) -> str:
    """Where a client finds an archive, below the address of the hub folder.

    >>> archive_url("https://models.example.org/hub/", "demo", "encoder", 3)
    'https://models.example.org/hub/demo-encoder/3.tar.gz'
    """
    return f"{address.rstrip('/')}/{name}-{kind}/{version}.tar.gz"


def web_address(hub_folder: str) -> str:
    """Under which address a hub folder is given out where nobody says it: a path tells nobody.

    >>> web_address("gs://models/hub"), web_address("/home/me/hub")
    ('https://storage.googleapis.com/models/hub', 'https://hub.example.org')
    """
    bucket = hub_folder.removeprefix("gs://")
    return EXAMPLE_ADDRESS if bucket == hub_folder else f"https://storage.googleapis.com/{bucket}"


def _publish_one(folder: str, release: ReleaseManifest, model: str, page: str | None) -> str:
    archive = f"{release.version}.tar.gz"
    target = filesystem.join(folder, archive)
    if archive in filesystem.list_folder(folder):
        _refuse_other_content(target, release)
        return target
    sweep_incoming(folder)
    with tempfile.TemporaryDirectory() as scratch:
        packed = filesystem.join(scratch, archive)
        with open(packed, "wb") as file:
            write_archive(model, file, release.content_sha256)
        digest = filesystem.join(scratch, "digest")
        filesystem.write_text(digest, f"{filesystem.sha256_of_file(packed)}  {archive}\n")
        if page is not None:
            written = filesystem.join(scratch, "page")
            filesystem.write_text(written, page)
            _appear(written, folder, f"{release.version}.md")
        _appear(digest, folder, f"{archive}.sha256")
        _appear(packed, folder, archive)
    return target


def _refuse_other_content(archive: str, release: ReleaseManifest) -> None:
    """Numbers begin again where release.folder was moved or emptied; the hub's archives do not."""
    with filesystem.open_binary(archive) as file, tarfile.open(fileobj=file) as opened:
        content = opened.pax_headers.get("comment")
    if content != release.content_sha256:
        raise BadInputError(
            f"{archive} is of another release than the version {release.version} that was just "
            "published, from before release.folder was moved or emptied; name another "
            "release.hub_folder, then run again: the release itself is published."
        )


def write_archive(model: str, file: IO[bytes], comment: str) -> None:
    """Write a folder as .tar.gz without a folder above it; equal content gives equal bytes."""
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
        tarfile.open(
            fileobj=packed,
            mode="w",
            format=tarfile.PAX_FORMAT,
            pax_headers={"comment": comment},
        ) as archive,
    ):
        names = filesystem.list_files(model)
        # The hub client makes only the folders that the archive names.
        for folder in _folders_of(names):
            archive.addfile(_entry(folder, tarfile.DIRTYPE, 0o755))
        for name in names:
            path = filesystem.join(model, name)
            entry = _entry(name, tarfile.REGTYPE, 0o644)
            entry.size = filesystem.size(path)
            with filesystem.open_binary(path) as content:
                archive.addfile(entry, content)


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)  # made in 1970 by nobody: nothing of this machine
    entry.type = kind
    entry.mode = mode
    return entry


def _folders_of(names: list[str]) -> list[str]:
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    return sorted(folders - {"."})


def _appear(written: str, folder: str, name: str) -> None:
    with incoming(folder) as hidden:
        filesystem.copy_file(written, hidden)
        filesystem.flush_to_disk(hidden)
        filesystem.rename_file(hidden, filesystem.join(folder, name))
        filesystem.flush_to_disk(folder)
