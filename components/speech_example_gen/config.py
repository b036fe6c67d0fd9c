"""The corpus a run reads, and which of its parts train, tune and judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DataConfig:
    """`train`, `dev` and `test` are patterns of subset folders below `corpus`."""

    corpus: str
    layout: Literal["librispeech"] = "librispeech"
    train: str = "train-*"
    dev: str = "dev-*"
    test: str = "test-*"
    # More quarantined utterances than this share stop the run.
    max_quarantined_fraction: float = 0.01
    # About this much PCM in a TFRecord file: large enough to stream, small enough to shuffle.
    shard_megabytes: int = 200

    def __post_init__(self) -> None:
        if self.shard_megabytes < 1:
            raise ValueError(f"data.shard_megabytes must be at least 1, not {self.shard_megabytes}")
        if not 0 <= self.max_quarantined_fraction <= 1:
            raise ValueError(
                "data.max_quarantined_fraction must lie between 0 and 1, not "
                f"{self.max_quarantined_fraction}"
            )

    @property
    def splits(self) -> dict[str, str]:
        """The pattern of subset folders behind each split."""
        return {"train": self.train, "dev": self.dev, "test": self.test}
