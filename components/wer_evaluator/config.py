"""What is scored, and under which paddings."""

from __future__ import annotations

from dataclasses import dataclass

from components.wer_evaluator.padding import parse_variant
from models.normalisation import NormalisationName


@dataclass(frozen=True)
class EvaluationConfig:
    """The SavedModel is scored under every variant, each TFLite file at its own lengths."""

    split: str = "test"
    # `unpadded`, `bucketed`, `constant_<samples>` and `constant_<samples>_unmasked`, which is the
    # forerunner's protocol: 246000 samples (15.4 s), padding taken for audio.
    variants: tuple[str, ...] = (
        "unpadded",
        "bucketed",
        "constant_246000",
        "constant_246000_unmasked",
    )
    normalisation: NormalisationName = "librispeech"  # of references and hypotheses alike
    # Padded audio in one batch: bounds memory whatever the lengths.
    batch_seconds: float = 64.0

    def __post_init__(self) -> None:
        if not self.variants:
            raise ValueError("evaluation.variants: name at least one")
        for variant in self.variants:
            parse_variant(variant)
        if self.batch_seconds <= 0:
            raise ValueError(f"evaluation.batch_seconds must be above 0, not {self.batch_seconds}")
