"""What happened during training, as figures that a killed training takes up again."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from models.training.energy import Energy

# Beside the trained model.
HISTORY_FILE = "history.json"


@dataclass(frozen=True)
class Evaluation:
    """The dev split's word error rate after so many steps."""

    step: int
    wer: float


@dataclass
class History:
    """All figures of a training, over all its processes if it was killed."""

    evaluations: list[Evaluation]  # the first one before any training
    losses: list[tuple[int, float]] = field(default_factory=list)
    skipped_steps: int = 0
    # Batches that could not be read, such as from a damaged record.
    skipped_batches: int = 0
    # Transcripts too long for their audio: they taught nothing.
    impossible_transcripts: int = 0
    audio_seconds: float = 0.0
    padded_seconds: float = 0.0
    seconds: float = 0.0
    # Of them, those in which the devices had to wait for the next batch.
    waited_seconds: float = 0.0
    # Electricity, of the chief's machine alone where workers are several.
    kilowatt_hours: float = 0.0
    hardware: str = ""  # on which it was spent last
    electricity_method: str = ""  # by which meters or estimates
    # Steps at which a stage ended early, as dev got no better.
    stopped_early: list[int] = field(default_factory=list)
    # Steps whose weights the model ended with: the best one, or those whose mean was better still.
    kept: list[int] = field(default_factory=list)

    def spend(self, energy: Energy) -> None:
        """Add electricity that was spent."""
        self.kilowatt_hours += energy.kilowatt_hours
        if energy.hardware:
            self.hardware, self.electricity_method = energy.hardware, energy.method

    @property
    def initial_wer(self) -> float:
        return self.evaluations[0].wer

    @property
    def best(self) -> Evaluation:
        """The lowest WER; of equals the one that was trained longest."""
        return self.best_few(1)[0]

    def best_few(self, count: int) -> list[Evaluation]:
        """The evaluations of the lowest WER, the best one first."""
        return sorted(self.evaluations, key=lambda one: (one.wer, -one.step))[:count]

    def evaluations_without_gain(self, since: int) -> int:
        """How many in a row, up to the last and after step `since`, were no new lowest WER."""
        best = min(self.evaluations, key=lambda one: (one.wer, one.step))
        return sum(one.step > max(since, best.step) for one in self.evaluations)

    def as_json(self) -> dict[str, Any]:
        """The figures and what follows from them, as plain values."""
        return dataclasses.asdict(self) | {
            "initial_wer": self.initial_wer,
            "best": dataclasses.asdict(self.best),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> History:
        """What `as_json` gave, after a way through a file."""
        # A figure that an older version did not write begins anew.
        known = {
            one.name: record[one.name] for one in dataclasses.fields(cls) if one.name in record
        }
        known["evaluations"] = [Evaluation(**one) for one in record["evaluations"]]
        known["losses"] = [(step, loss) for step, loss in record["losses"]]
        return cls(**known)
