"""What every task of a rehearsal needs around it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeflow.rehearsal.environment import Image
from kubeflow.rehearsal.history import History
from kubeflow.rehearsal.job import Job
from kubeflow.rehearsal.places import Places


@dataclass(frozen=True)
class Stage:
    """One rehearsal: its job, and what stands for the cluster."""

    job: Job
    places: Places
    image: Image
    history: History
    root: Path  # what is kept for later rehearsals
    folder: Path  # for logs, and for what the tasks were told
    with_retries: bool

    def log(self, task: str) -> Path:
        """What the task prints."""
        return self.folder / f"{task}.log"
