"""The fine-tuning recipe as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# What a stage trains. The paper (section 4.2) trains the head alone first, then all but the
# convolutional feature encoder, which stays frozen throughout.
Trainable = Literal["head", "all_but_feature_encoder", "all"]
Schedule = Literal["one_cycle", "tri_stage", "linear", "constant"]


@dataclass(frozen=True)
class Stage:
    """One stretch of training with its own optimizer and learning-rate schedule."""

    trains: Trainable
    steps: int
    learning_rate: float
    schedule: Schedule = "tri_stage"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"training.stages: steps must be at least 1, not {self.steps}")
        if self.learning_rate <= 0:
            raise ValueError(
                f"training.stages: learning_rate must be above 0, not {self.learning_rate}"
            )


@dataclass(frozen=True)
class TrainingConfig:
    """Stages in order, and what they share."""

    stages: tuple[Stage, ...] = (
        # The forerunner's two stages at its rates: 1e-3 for the head, 5e-5 for the rest.
        Stage("head", steps=10_000, learning_rate=1e-3),
        Stage("all_but_feature_encoder", steps=80_000, learning_rate=5e-5),
    )
    batch_size: int = 32
    weight_decay: float = 0.0  # the paper fine-tunes with plain Adam
    clip_norm: float = 1.0
    evaluate_every: int = 2_000  # steps between greedy decodings of the dev split
    dev_batches: int = 64  # at most this many batches of it
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    # SpecAugment and dropout; None keeps what the checkpoint's own config says. The forerunner
    # masks time with probability 0.05 over spans of 10 frames.
    mask_time_prob: float | None = 0.05
    mask_time_length: int | None = 10
    mask_feature_prob: float | None = None
    dropout: float | None = None
    layerdrop: float | None = None
    # One shape per bucket, known when the step is compiled. TPUs need it; on CPU one dynamic
    # step is traced once instead of once for each bucket.
    static_shapes: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("training.stages: name at least one stage")
        for name in ("batch_size", "evaluate_every", "dev_batches", "mask_time_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"training.{name} must be at least 1, not {value}")
        for name in ("mask_time_prob", "mask_feature_prob", "dropout", "layerdrop"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"training.{name} must be between 0 and 1, not {value:g}")
        if self.clip_norm <= 0:
            raise ValueError(f"training.clip_norm must be above 0, not {self.clip_norm:g}")
        if self.weight_decay < 0:
            raise ValueError(
                f"training.weight_decay must not be below 0, but is {self.weight_decay:g}"
            )

    @property
    def total_steps(self) -> int:
        return sum(stage.steps for stage in self.stages)
