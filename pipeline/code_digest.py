"""Make TFX's cache see the code: a node whose source has changed runs again.

TFX keys its cache on inputs and properties. Executors named by import path are not among them, so
an edited evaluator would be answered with the old one's result. Each node therefore carries the
digest of the rooms it runs on.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

from tfx.dsl.components.base.base_node import BaseNode

PACKAGE = Path(__file__).parent.parent
# Every executor may use these two; a custom node also its own folder, and those that it imports.
SHARED_ROOMS = ("models", "schemas")
# Code that stock nodes are given by import path.
CODE_OF_STOCK_NODES = {"Transform": "components/transform", "Tuner": "components/tuner"}
SOURCES = ("*.py", "*.pbtxt", "*.jinja", "*.kt")


def bind_to_code(node: BaseNode) -> None:
    """Let the node's cache entries hold only as long as its code does."""
    node.executor_spec.add_extra_flags([f"--code={digest_of(rooms_of(node))}"])


def rooms_of(node: BaseNode) -> tuple[str, ...]:
    """The folders whose code the node's executor runs."""
    top, _, rest = type(node).__module__.partition(".")
    own = f"components/{rest.split('.')[0]}" if top == "components" else None
    first = own or CODE_OF_STOCK_NODES.get(node.id)
    return (*SHARED_ROOMS, *(_with_imported(PACKAGE / first) if first else ()))


def _with_imported(folder: Path) -> tuple[str, ...]:
    """A component's folder and, in turn, those of the components that its files import."""
    found, wanted = set[Path](), [folder]
    while wanted:
        room = wanted.pop()
        if room not in found:
            found.add(room)
            wanted += [folder.parent / name for name in _components_imported(room)]
    return tuple(sorted(str(room.relative_to(PACKAGE)) for room in found))


@cache  # several nodes import the same ones
def _components_imported(room: Path) -> frozenset[str]:
    statements = (
        statement
        for file in room.rglob("*.py")
        for statement in ast.walk(ast.parse(file.read_bytes()))
    )
    modules = [one.module or "" for one in statements if isinstance(one, ast.ImportFrom)]
    return frozenset(one.split(".")[1] for one in modules if one.startswith("components."))


def digest_of(rooms: tuple[str, ...]) -> str:
    """One digest of every source file below the rooms."""
    digest = hashlib.sha256()
    for room in rooms:
        files = (path for pattern in SOURCES for path in (PACKAGE / room).rglob(pattern))
        for path in sorted(files):
            digest.update(str(path.relative_to(PACKAGE)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
