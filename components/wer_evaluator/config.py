"""What is scored, under which paddings, and into what the scores are cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.wer_evaluator.padding import parse_variant
from components.wer_evaluator.slices import FEATURES
from models.beam_search import BeamSearchConfig
from models.normalisation import NormalisationName
from schemas.speech_example import SAMPLE_RATE


@dataclass(frozen=True)
class EvaluationConfig:
    """Models of any length are scored under every variant, each TFLite file at its own lengths."""

    split: str = "test"  # which split of the data is scored
    # `unpadded`, `bucketed`, `constant_<samples>`, and the last with `_unmasked` behind it, where
    # the model takes padding for audio. 246000 samples (15.4 s) is the forerunner's length.
    variants: tuple[str, ...] = (
        "unpadded",
        "bucketed",
        "constant_246000",
        "constant_246000_unmasked",
    )
    normalisation: NormalisationName = "librispeech"  # of references and hypotheses alike
    # Features of an utterance, alone or crossed: each combination of values is scored by itself.
    slices: tuple[tuple[str, ...], ...] = (
        ("speaker",),
        ("gender",),
        ("subset",),
        ("duration",),
        ("words",),
    )
    # An utterance longer than the padding is heard in windows that overlap, or counted as excluded.
    long_audio: Literal["windows", "exclude"] = "windows"
    overlap_seconds: float = 2.0  # but at most half of a window
    longest_seconds: float = 60.0  # a window where the padding itself has no end
    # Decoded a second time, from the same log-probabilities, as trials of their own (`…+beam`).
    beam_search: BeamSearchConfig | None = None
    # Which trials, as artifact/variant, are decoded so.
    beam_trials: tuple[str, ...] = ("saved_model/unpadded",)
    # Attribute what the forerunner's protocol loses at this many samples, cause by cause.
    explain_padding: int | None = None
    # Padded audio in one batch: bounds memory whatever the lengths.
    batch_seconds: float = 64.0

    def __post_init__(self) -> None:
        if not self.variants:
            raise ValueError("evaluation.variants: name at least one")
        for variant in self.variants:
            parse_variant(variant)
        for name in {name for features in self.slices for name in features}:
            if name not in FEATURES:
                raise ValueError(
                    f"evaluation.slices: there is no feature {name!r}; known are "
                    f"{', '.join(FEATURES)}"
                )
        for name in ("batch_seconds", "longest_seconds", "overlap_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"evaluation.{name} must be above 0, not {getattr(self, name)}")
        if self.explain_padding is not None and self.explain_padding <= 0:
            raise ValueError(
                "evaluation.explain_padding must be a number of samples, not "
                f"{self.explain_padding}"
            )

    @property
    def overlap(self) -> int:
        """Samples that two windows share."""
        return round(self.overlap_seconds * SAMPLE_RATE)

    @property
    def longest(self) -> int:
        """Samples of a window where the padding has no end."""
        return round(self.longest_seconds * SAMPLE_RATE)
