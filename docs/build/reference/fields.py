"""What a dataclass says of its fields: types, defaults, and the comments beside them.

>>> from models.training.config import TrainingConfig
>>> rows = {one.name: one for one in fields_of(TrainingConfig)}
>>> rows["batch_size"].kind, rows["batch_size"].default, rows["batch_size"].meaning
('a whole number', '`32`', 'utterances, over all devices and workers together')
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import textwrap
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Field:
    """One field as a reader of a reference wants it."""

    name: str
    kind: str
    default: str  # as YAML writes it; empty where there is none
    meaning: str
    sections: tuple[type, ...]  # the dataclasses that it holds


def fields_of(section: type) -> list[Field]:
    """The fields of a frozen dataclass, in order."""
    hints = typing.get_type_hints(section)
    comments = _comments_of(section)
    return [
        Field(
            field.name,
            in_words(hints[field.name]),
            _default_of(field),
            comments.get(field.name, ""),
            tuple(sections_in(hints[field.name])),
        )
        for field in dataclasses.fields(section)
    ]


def prose(docstring: str | None) -> str:
    """A docstring as Markdown, without its examples."""
    text = inspect.cleandoc(docstring or "")
    return text.partition(">>>")[0].strip()


def in_words(hint: Any) -> str:
    """A type as people say it.

    >>> in_words(tuple[int, ...]), in_words(str | None)
    ('a list, each a whole number', 'text, or nothing')
    """
    if hint in WORDS:
        return WORDS[hint]
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return _either([f"`{part}`" for part in parts])
    if origin in (typing.Union, types.UnionType):
        kinds = [in_words(part) for part in parts if part is not type(None)]
        return _either(kinds) + (", or nothing" if type(None) in parts else "")
    if origin is tuple and parts[-1] is not Ellipsis:
        return f"a list of {len(parts)}: {', '.join(in_words(part) for part in parts)}"
    if origin in (tuple, list):
        return f"a list, each {in_words(parts[0])}"
    if origin in (dict, Mapping):
        return f"names, each with {in_words(parts[1])}"
    if dataclasses.is_dataclass(hint):
        return "a section"
    return getattr(hint, "__name__", str(hint))


def sections_in(hint: Any) -> list[type]:
    """The dataclasses in a type, also in `tuple[…]` and `… | None`."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return [hint]
    return [found for part in typing.get_args(hint) for found in sections_in(part)]


def _either(parts: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _default_of(field: dataclasses.Field) -> str:
    value = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is dataclasses.MISSING:
        return ""
    if dataclasses.is_dataclass(value):
        return "its own defaults"
    return f"`{_as_yaml(value)}`"


def _as_yaml(value: Any) -> str:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _as_yaml(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_as_yaml(key)}: {_as_yaml(item)}" for key, item in value.items())
        return f"{{{inner}}}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_as_yaml, value))}]"
    if isinstance(value, str) and value.isidentifier():
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _comments_of(section: type) -> dict[str, str]:
    """The comment above each field, or the one behind it."""
    source = textwrap.dedent(inspect.getsource(section))
    lines = source.splitlines()
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = lines[(node.end_lineno or node.lineno) - 1]
            behind = last.encode()[node.end_col_offset or 0 :].decode().partition("#")[2].strip()
            above = _comment_above(lines, node.lineno - 1)
            found[node.target.id] = " ".join(filter(None, [above, behind]))
    return found


def _comment_above(lines: list[str], number: int) -> str:
    block: list[str] = []
    while number and lines[number - 1].strip().startswith("#"):
        number -= 1
        block.insert(0, lines[number].strip().removeprefix("#").strip())
    return " ".join(block)
