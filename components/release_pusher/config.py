"""Where releases go."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReleaseConfig:
    """A folder of numbered versions: what TF Serving polls and what readers list."""

    folder: str = ""  # empty: `releases` below the run's root
