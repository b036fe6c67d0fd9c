"""What a rehearsal found, for people and for machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from kubeflow.rehearsal.history import title_of
from kubeflow.rehearsal.wiring import Given
from models.errors import GateRefusedError, W2vError

BLESSING = "tfx.ModelBlessing"


@dataclass(frozen=True)
class TaskOutcome:
    """What became of one task."""

    name: str
    state: str  # SUCCEEDED, FAILED or NOT_TRIGGERED
    how: str = "container"
    made: Given = field(default_factory=Given)
    seconds: float = 0.0
    exit_code: int | None = None
    log: Path | None = None
    cause: str = ""  # why it failed, or why it was not started
    notes: tuple[str, ...] = ()

    def addresses(self) -> dict[str, list[str]]:
        """Where each of its outputs lies, as the cluster knows it."""
        return {key: [one.uri for one in found] for key, found in self.made.artifacts.items()}

    @property
    def refused(self) -> bool:
        """Whether it is a gate that said no."""
        return self.how == "container" and any(
            title_of(artifact.type) == BLESSING
            and json_format.MessageToDict(artifact.metadata).get("blessed") == 0
            for found in self.made.artifacts.values()
            for artifact in found
        )


@dataclass(frozen=True)
class Rehearsal:
    """All tasks in the order in which they ended."""

    pipeline: str
    tasks: tuple[TaskOutcome, ...]
    notes: tuple[str, ...]
    folder: Path  # with a log for each task

    @property
    def failed(self) -> TaskOutcome | None:
        return next((task for task in self.tasks if task.state == "FAILED"), None)

    @property
    def refused(self) -> bool:
        return any(task.refused for task in self.tasks)

    @property
    def exit_code(self) -> int:
        if self.failed:
            return W2vError.exit_code
        return GateRefusedError.exit_code if self.refused else 0

    def as_json(self) -> dict[str, Any]:
        """What `w2v rehearse --json` prints."""
        return {
            "pipeline": self.pipeline,
            "succeeded": self.failed is None,
            "refused": self.refused,
            "notes": list(self.notes),
            "logs": str(self.folder),
            "tasks": [
                {
                    "name": task.name,
                    "state": task.state,
                    "how": task.how,
                    "seconds": round(task.seconds, 1),
                    "exit_code": task.exit_code,
                    "outputs": task.addresses(),
                    "cause": task.cause,
                    "notes": list(task.notes),
                    "log": str(task.log) if task.log else None,
                }
                for task in self.tasks
            ],
        }
