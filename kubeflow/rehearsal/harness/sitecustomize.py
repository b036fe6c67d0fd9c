"""Python runs this at the start of every rehearsed process: only what the image holds is there.

The packages installed on this machine are more than the image's, and an editable install of the
checkout would answer for files that the image lacks.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

# The file that lists the modules and distributions which are here but not in the image.
ABSENT_VARIABLE = "W2V_REHEARSAL_ABSENT"


class NotInImage:
    """A finder that stands before all others, and says no."""

    def __init__(self, modules: Iterable[str]) -> None:
        self._modules = frozenset(modules)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in self._modules:
            raise ModuleNotFoundError(
                f"No module named {name!r}: it is installed here, but not in the image", name=name
            )
        return None


def hide_editable_installs() -> None:
    """Forget the finders and the folders that `pip install --editable` adds."""
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if not (getattr(finder, "__module__", None) or "").startswith("__editable__")
    ]
    sys.path_hooks[:] = [
        hook
        for hook in sys.path_hooks
        if not (getattr(hook, "__module__", None) or "").startswith("__editable__")
    ]
    asked = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    own = tuple(Path(prefix) for prefix in {sys.prefix, sys.base_prefix})
    sys.path[:] = [
        entry
        for entry in sys.path
        if entry in asked or any(Path(entry).is_relative_to(prefix) for prefix in own)
    ]


def hide_distributions(names: Iterable[str]) -> None:
    """Let `importlib.metadata` know these only where the image itself keeps them."""
    absent = frozenset(names)
    finder = importlib.metadata.MetadataPathFinder
    find = finder.find_distributions
    images_own = os.environ.get("PYTHONPATH", "").split(os.pathsep)

    def find_but_absent(context=importlib.metadata.DistributionFinder.Context()):  # noqa: B008
        if re.sub(r"[-_.]+", "-", context.name or "").lower() in absent:
            return find(type(context)(name=context.name, path=images_own))
        return find(context)

    finder.find_distributions = staticmethod(find_but_absent)  # type: ignore[assignment]


if ABSENT_VARIABLE in os.environ:
    told = json.loads(Path(os.environ[ABSENT_VARIABLE]).read_text(encoding="utf-8"))
    hide_editable_installs()
    hide_distributions(told["distributions"])
    sys.meta_path.insert(0, NotInImage(told["modules"]))  # type: ignore[arg-type]
