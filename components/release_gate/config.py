"""What a model must show before it is let out."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class GateConfig:
    """Bounds are fractions: 0.05 is a word error rate of 5 %.

    A bound is named by a variant (`unpadded`, of the SavedModel), by artifact and variant
    (`tflite_int8/static`), or with a slice behind it (`unpadded@gender:F`).
    """

    max_wer: dict[str, float] = field(default_factory=lambda: {"unpadded": 0.10})
    # Fewer scored utterances say too little.
    min_utterances: int = 100
    # Against the last blessed model, by a paired bootstrap over utterances: refused when it is
    # worse with this much confidence.
    regression_confidence: float = 0.95
    # Worse by less than this much WER is no regression, however sure.
    tolerated_regression: float = 0.002

    def __post_init__(self) -> None:
        if not self.max_wer:
            raise ValueError("gate.max_wer: name at least one bound, such as {unpadded: 0.1}")
        for name, bound in self.max_wer.items():
            if not bound >= 0:
                raise ValueError(f"gate.max_wer.{name} must be 0 or more, not {bound}")
        if not 0.5 <= self.regression_confidence < 1:
            raise ValueError(
                "gate.regression_confidence must lie between 0.5 and 1, not "
                f"{self.regression_confidence}"
            )
