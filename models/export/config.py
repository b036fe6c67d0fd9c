"""Which artifacts the exporter makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TfliteKind = Literal["float32", "float16", "int8"]
OnnxKind = Literal["float32", "int8"]


@dataclass(frozen=True)
class ExportConfig:
    """SavedModel always; TFLite in these kinds, one signature for each length; ONNX in these."""

    tflite: tuple[TfliteKind, ...] = ("float32", "int8")
    # A phone pads an utterance to the shortest of these that holds it.
    tflite_seconds: tuple[float, ...] = (4.0, 8.0, 16.0)
    onnx: tuple[OnnxKind, ...] = ()
    # How far a float artifact's log-probabilities may stand from the Keras model's.
    max_float_delta: float = 1e-3

    def __post_init__(self) -> None:
        if self.tflite and not self.tflite_seconds:
            raise ValueError("export.tflite_seconds: name at least one length for TFLite")
        if any(seconds <= 0 for seconds in self.tflite_seconds):
            raise ValueError("export.tflite_seconds: lengths must be above 0 seconds")
