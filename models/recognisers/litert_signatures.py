"""How a .tflite file names its static lengths: the one thing its writer and its reader share."""

from __future__ import annotations

PREFIX = "samples_"


def signature_name(samples: int) -> str:
    return f"{PREFIX}{samples}"


def signature_samples(name: str) -> int:
    return int(name.removeprefix(PREFIX))
