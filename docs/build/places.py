"""Where everything of the documentation lies."""

from __future__ import annotations

import hashlib
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PAGES = CHECKOUT / "docs" / "pages"
NOTEBOOKS = CHECKOUT / "notebooks"
SITE = CHECKOUT / "site"
SETTINGS = CHECKOUT / "docs" / "mkdocs.yml"
# What the build makes for itself and may find again; git ignores it.
WORK = CHECKOUT / "docs" / ".work"
PROGRAMS = CHECKOUT / ".venv" / "bin"
ROOMS = ("models", "components", "schemas", "pipeline", "kubeflow")


def digest_of_product() -> str:
    """One digest of all that a run's outcome depends on, so that what it made can be kept."""
    sources = (
        path
        for room in ROOMS
        for pattern in ("*.py", "*.yaml", "*.pbtxt", "*.safetensors")
        for path in sorted((CHECKOUT / room).rglob(pattern))
    )
    digest = hashlib.sha256((CHECKOUT / "uv.lock").read_bytes())
    for path in sources:
        digest.update(str(path.relative_to(CHECKOUT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
