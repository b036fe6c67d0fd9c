"""How a config section travels through a TFX node: as the JSON text of a frozen dataclass.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Window:
...     seconds: float = 15.375
>>> to_json(Window(seconds=4))
'{"seconds": 4}'
>>> from_json(Window, '{"seconds": 8}')
Window(seconds=8.0)
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, TypeVar

from pydantic import TypeAdapter

Section = TypeVar("Section")


def to_json(section: Any) -> str:
    """The section as JSON with sorted keys, so that equal sections give equal cache keys."""
    return json.dumps(dataclasses.asdict(section), sort_keys=True)


def from_json(section_type: type[Section], text: str) -> Section:
    """The section back from `to_json`'s text, validated against the dataclass's types."""
    return TypeAdapter(section_type).validate_json(text)
