"""What a rehearsed process finds around it: the image's files and packages, and nothing else."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeflow.image.contents import image_environment, stage_image
from kubeflow.rehearsal.harness.sitecustomize import ABSENT_VARIABLE
from models.code_version import DISTRIBUTION

HARNESS = Path(__file__).parent / "harness"
# After the folder of the Python that the rehearsal itself runs on.
SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")


@dataclass(frozen=True)
class Image:
    """The image, as far as this machine can stand for it."""

    code: Path  # what the image keeps on its PYTHONPATH
    absent: Path  # lists what is installed here but not there
    # Packages whose version here is another than in the image: (name, here, there).
    other_versions: tuple[tuple[str, str, str], ...]

    def environment(self, scratch: Path, declared: Mapping[str, str]) -> dict[str, str]:
        """The variables of a container whose home and /tmp are folders of `scratch`."""
        home, tmp = scratch / "home", scratch / "tmp"
        for folder in (home, tmp):
            folder.mkdir(parents=True)
        return {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), *SYSTEM_PATH)),
            "HOME": str(home),
            "TMPDIR": str(tmp),
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join((str(HARNESS), str(self.code))),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            ABSENT_VARIABLE: str(self.absent),
            **declared,
        }


def prepare_image(folder: Path, code: Path | None) -> Image:
    """Lay out the image's files, or take the folder that holds them already.

    What of an earlier rehearsal lies in `folder` is replaced.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    absent = folder / "absent.json"
    absent.write_text(json.dumps(_absent()), encoding="utf-8")
    here, there = _installed(), image_environment()
    return Image(
        code=(code or stage_image(folder / "code")).absolute(),
        absent=absent,
        other_versions=tuple(
            (name, here[name], version)
            for name, version in there.items()
            if name in here and here[name] != version
        ),
    )


@functools.cache
def _installed() -> Mapping[str, str]:
    """The version of each distribution on this machine."""
    return {
        _normal(distribution.metadata["Name"]): distribution.version
        for distribution in importlib.metadata.distributions()
    }


@functools.cache
def _absent() -> Mapping[str, list[str]]:
    """The distributions here alone, and the modules that no distribution of the image brings."""
    distributions = {*_installed()} - {*image_environment()}
    modules = [
        module
        for module, bringers in importlib.metadata.packages_distributions().items()
        # Our own code is not installed there either, but lies on the path.
        if {*map(_normal, bringers)} <= distributions - {DISTRIBUTION}
    ]
    return {"distributions": sorted(distributions), "modules": sorted(modules)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
