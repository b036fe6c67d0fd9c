"""How long work tells how far it is: a log record that a terminal may draw as a bar.

Library code cannot know who is watching, so it reports through `logging`. A terminal attaches a
handler that draws; a cluster's log shows plain lines; tests read the records.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

LOGGER_NAME = "w2v.progress"


@dataclass(frozen=True)
class Progress:
    """`done` of `total` in the step of that name, with a short note (a loss, a rate)."""

    step: str
    done: int
    total: int
    note: str = ""

    def __str__(self) -> str:
        return f"{self.step}: {self.done}/{self.total} {self.note}".rstrip()


def report(step: str, done: int, total: int, note: str = "") -> None:
    """Say how far a step has come."""
    progress = Progress(step, done, total, note)
    logging.getLogger(LOGGER_NAME).info("%s", progress, extra={"progress": progress})
