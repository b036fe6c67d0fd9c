"""The version of this package, where it is installed, and where it only lies on the path."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "wav2vec2-tfx"
# In a checkout, and in the image, which installs the package nowhere.
PROJECT_FILE = Path(__file__).parent.parent / "pyproject.toml"


def code_version() -> str:
    """The version that is installed, or that of the folder this code lies in."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return tomllib.loads(PROJECT_FILE.read_text(encoding="utf-8"))["project"]["version"]
