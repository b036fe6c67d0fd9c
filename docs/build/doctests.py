"""Show the examples of docstrings as code: griffe's extension point for `mkdocstrings`."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

# Lines from a prompt to the next empty line.
EXAMPLE = re.compile(r"^>>> .*?(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)
FLAGS = re.compile(r"\s*# doctest:.*$", re.MULTILINE)


class FencedExamples(Extension):
    """Puts fences around what stands behind `>>>`."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called for each object that was read."""
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(docstring: str) -> str:
    """The docstring with its examples in fences, without what they tell doctest."""
    return EXAMPLE.sub(lambda found: f"```pycon\n{FLAGS.sub('', found[0])}\n```", docstring)
