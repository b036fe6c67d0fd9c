"""Folders of this machine that stand for the cluster's buckets and for the image's folder.

Everything the rehearsal keeps is in the cluster's terms (gs://…); only what a task sees is in this
machine's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kubeflow.image.contents import PACKAGE_IN_IMAGE
from models.errors import BadInputError

SCHEMES = ("gs", "s3", "minio", "hdfs")
# What may follow a prefix without making it another name.
END_OF_NAME = r"(?![\w.-])"


@dataclass(frozen=True)
class Places:
    """Which folder stands for which place; a bucket that nobody mounted lies below `buckets`."""

    buckets: Path
    mounts: Mapping[str, Path]

    def here(self, text: str) -> str:
        """The text with each of the cluster's places as a folder of this machine."""
        return self._remote.sub(self._local_name, text)

    def there(self, text: str) -> str:
        """The text with each folder of this machine as the cluster knows it."""
        return self._local.sub(lambda match: self._names[match[0]], text)

    @cached_property
    def _remote(self) -> re.Pattern[str]:
        whole = [f"{re.escape(prefix)}{END_OF_NAME}" for prefix in _longest_first(self.mounts)]
        return re.compile("|".join([*whole, rf"\b(?:{'|'.join(SCHEMES)})://"]))

    @cached_property
    def _names(self) -> dict[str, str]:
        schemes = {f"{self.buckets / scheme}/": f"{scheme}://" for scheme in SCHEMES}
        return {str(folder): prefix for prefix, folder in self.mounts.items()} | schemes

    @cached_property
    def _local(self) -> re.Pattern[str]:
        return re.compile(
            "|".join(
                re.escape(name) + ("" if name.endswith("/") else END_OF_NAME)
                for name in _longest_first(self._names)
            )
        )

    def _local_name(self, match: re.Match[str]) -> str:
        if match[0] in self.mounts:
            return str(self.mounts[match[0]])
        return f"{self.buckets / match[0].removesuffix('://')}/"


def places_of(root: Path, image: Path, mounts: Iterable[str]) -> Places:
    """The places of a rehearsal, from `gs://bucket/x=DIR` as typed."""
    folders = {PACKAGE_IN_IMAGE: image}
    for mount in mounts:
        prefix, separator, folder = mount.partition("=")
        if not separator or "://" not in prefix:
            raise BadInputError(f"--mount {mount} must be gs://bucket/folder=DIR.")
        local = Path(folder).expanduser().absolute()
        if not local.is_dir():
            raise BadInputError(f"--mount {mount}: there is no folder {folder}; make it first.")
        folders[prefix.rstrip("/")] = local
    return Places(root / "buckets", folders)


def _longest_first(names: Iterable[str]) -> list[str]:
    return sorted(names, key=len, reverse=True)
