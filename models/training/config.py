"""The fine-tuning recipe as data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

# What a stage trains. The paper (section 4.2) trains the head alone first, then all but the
# convolutional feature encoder, which stays frozen throughout.
Trainable = Literal["head", "all_but_feature_encoder", "all"]
Schedule = Literal["one_cycle", "tri_stage", "linear", "constant"]
Devices = Literal["auto", "one_device", "mirrored", "multi_worker", "tpu"]

# What every generator of random numbers takes, also those of 32 bits with a sign.
SEEDS = 2**31


@dataclass(frozen=True)
class Stage:
    """One stretch of training with its own optimizer and learning-rate schedule."""

    # Which weights change; the feature encoder is the convolutions that hear the samples.
    trains: Trainable
    steps: int  # updates of the weights
    learning_rate: float  # at the schedule's peak
    # How the rate goes down from its peak: after a hold and exponentially (tri_stage), by half a
    # cosine (one_cycle), in a straight line, or not at all.
    schedule: Schedule = "tri_stage"
    # Parts of the stage's steps: the learning rate rises, and (tri_stage) stays at its peak.
    warm_up: float = 0.1
    hold: float = 0.4  # the part of the steps at the peak, of tri_stage alone
    # What part of the peak tri_stage and linear end at.
    final: float | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"training.stages: steps must be at least 1, not {self.steps}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(
                "training.stages: learning_rate must be above 0 and finite, not "
                f"{self.learning_rate:g}"
            )
        if not (self.warm_up >= 0 and self.hold >= 0 and self.warm_up + self.hold < 1):
            raise ValueError(
                f"training.stages: warm_up ({self.warm_up:g}) and hold ({self.hold:g}) must leave "
                "steps to decay: name parts that add up to less than 1"
            )
        if self.final is not None and not 0 < self.final <= 1:
            raise ValueError(
                f"training.stages: final must be above 0 and at most 1: {self.final:g}"
            )


@dataclass(frozen=True)
class TrainingConfig:
    """Stages in order, and what they share."""

    # Run one after the other, each from the weights of the one before.
    stages: tuple[Stage, ...] = (
        # The forerunner's two stages at its rates: 1e-3 for the head, 5e-5 for the rest.
        Stage("head", steps=10_000, learning_rate=1e-3),
        Stage("all_but_feature_encoder", steps=80_000, learning_rate=5e-5),
    )
    batch_size: int = 32  # utterances, over all devices and workers together
    accumulate: int = 1  # batches whose gradients make one step
    weight_decay: float = 0.0  # the paper fine-tunes with plain Adam
    # Gradients whose norm over all weights is above this are scaled down to it.
    clip_norm: float = 1.0
    # Evaluate and export a moving average of the weights with this momentum (such as 0.999).
    average_momentum: float | None = None
    # Export the mean of the weights at so many of the best evaluations, if dev likes it better.
    average_best: int = 1
    evaluate_every: int = 2_000  # steps between greedy decodings of the dev split
    dev_batches: int = 64  # at most this many batches of it
    # A stage ends early after so many evaluations in a row without a lower dev WER.
    patience: int | None = None
    # Steps between two checkpoints that a killed run goes on from; evaluations write one too.
    checkpoint_every: int = 500
    # Where it runs; `auto` takes a TPU, several workers (TF_CONFIG), several GPUs or one device,
    # whichever is there first.
    devices: Devices = "auto"
    # Of the computing; weights stay float32. For mixed_float16 the loss is scaled so that small
    # gradients do not vanish.
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    # SpecAugment and dropout; None keeps what the checkpoint's own config says. The forerunner
    # masks time with probability 0.05 over spans of 10 frames.
    mask_time_prob: float | None = 0.05
    mask_time_length: int | None = 10  # frames of 20 ms in one masked span
    # At most this part of the features is set to zero, in spans; null keeps the checkpoint's own.
    mask_feature_prob: float | None = None
    # Part of the activations above the feature encoder; null keeps the checkpoint's own parts.
    dropout: float | None = None
    # How likely a step leaves out a transformer layer; null keeps the checkpoint's own.
    layerdrop: float | None = None
    # One shape per bucket, known when the step is compiled. TPUs need it; on CPU one dynamic
    # step is traced once instead of once for each bucket.
    static_shapes: bool = False
    jit_compile: bool = False  # the step by XLA; best with static shapes
    # The same bits each time, also where a device's fastest operation would not give them.
    deterministic: bool = False
    # Steps that TensorBoard's profile shows, the first and the one after the last.
    profile_steps: tuple[int, int] | None = None
    # Of a new head, the order of the batches, dropout and masks.
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("training.stages: name at least one stage")
        for name in (
            "batch_size",
            "accumulate",
            "average_best",
            "evaluate_every",
            "dev_batches",
            "patience",
            "checkpoint_every",
            "mask_time_length",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"training.{name} must be at least 1, not {value}")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ValueError(
                f"training.dropout must be at least 0 and below 1, not {self.dropout:g}"
            )
        for name in ("mask_time_prob", "mask_feature_prob", "layerdrop"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"training.{name} must be between 0 and 1, not {value:g}")
        if self.average_momentum is not None and not 0 < self.average_momentum < 1:
            raise ValueError(
                "training.average_momentum must be between 0 and 1, such as 0.999, not "
                f"{self.average_momentum:g}"
            )
        if not 0 < self.clip_norm < math.inf:
            raise ValueError(
                f"training.clip_norm must be above 0 and finite, not {self.clip_norm:g}"
            )
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(
                f"training.weight_decay must be at least 0 and finite, not {self.weight_decay:g}"
            )
        if not 0 <= self.seed < SEEDS:
            raise ValueError(f"training.seed must be at least 0 and below {SEEDS}, not {self.seed}")
        if self.profile_steps:
            self._check_profile(*self.profile_steps)

    def _check_profile(self, first: int, last: int) -> None:
        if not 0 < first < last:
            raise ValueError(f"training.profile_steps: {last} must come after {first}, above 0")
        if last > self.total_steps + 1:
            raise ValueError(
                f"training.profile_steps: {last} must be at most {self.total_steps + 1}, the one "
                "after the last step of all stages"
            )

    @property
    def total_steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


@dataclass(frozen=True)
class TeacherConfig:
    """A smaller student of a trained recogniser: fewer of its layers, taught by all of them."""

    # The trained recogniser: a folder in Hugging Face layout. The student starts with its weights.
    checkpoint: str
    # So many transformer layers the student keeps, evenly spread, the last one among them.
    layers: int
    # What the teacher's posteriors and its hidden states weigh beside the CTC loss of a character:
    # little for states, which a student with a few of the layers cannot reach.
    logit_weight: float = 0.5
    feature_weight: float = 0.1  # of hidden states; 0 leaves them out
    # Above 1 the teacher's second thoughts count for more.
    temperature: float = 2.0

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"model.teacher.layers must be at least 1, not {self.layers}")
        for name in ("logit_weight", "feature_weight"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(
                    f"model.teacher.{name} must be at least 0 and finite, not {value:g}"
                )
        if not 0 < self.temperature < math.inf:
            raise ValueError(
                f"model.teacher.temperature must be above 0 and finite, not {self.temperature:g}"
            )
