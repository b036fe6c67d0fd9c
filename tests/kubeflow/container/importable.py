"""Executors of tests: TFX imports one by its path, so they lie in a module of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def importable(module: str, text: str, folder: Path) -> Iterator[None]:
    """Let `import module` find this text, which is written to the folder."""
    (folder / f"{module}.py").write_text(text)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))
