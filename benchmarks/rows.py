"""One figure of a benchmark, and how it is taken."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One contender's figure at one task; its peer is what it is held against."""

    what: str
    who: str
    value: float
    unit: str = "s, median"
    is_peer: bool = False


def measure_in_turns(
    what: str, contenders: dict[str, Callable[[], object]], peer: str, rounds: int
) -> list[Row]:
    """Every contender once a round, so that a slow moment of the machine hits them all."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run()  # compile, allocate, warm the caches
    for _ in range(rounds):
        for name, run in contenders.items():
            started = time.monotonic()
            run()
            times[name].append(time.monotonic() - started)
    return [
        Row(what, name, statistics.median(taken), is_peer=name == peer)
        for name, taken in times.items()
    ]
