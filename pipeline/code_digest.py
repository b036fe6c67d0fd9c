"""Make TFX's cache see the code: a node whose source has changed runs again.

TFX keys its cache on inputs and properties. Executors named by import path are not among them, so
an edited evaluator would be answered with the old one's result. Each node therefore carries the
digest of the rooms it runs on.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from tfx.dsl.components.base.base_node import BaseNode

PACKAGE = Path(__file__).parent.parent
# Every executor may use these two; a custom node also its own folder.
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
    return (*SHARED_ROOMS, *filter(None, [own or CODE_OF_STOCK_NODES.get(node.id)]))


def digest_of(rooms: tuple[str, ...]) -> str:
    """One digest of every source file below the rooms."""
    digest = hashlib.sha256()
    for room in rooms:
        files = (path for pattern in SOURCES for path in (PACKAGE / room).rglob(pattern))
        for path in sorted(files):
            digest.update(str(path.relative_to(PACKAGE)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
