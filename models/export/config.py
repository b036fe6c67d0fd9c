"""Which artifacts the exporter makes."""

from __future__ import annotations

from dataclasses import dataclass

from models.artifact_kinds import HubKind, OnnxKind, TfliteKind

# Of a TFLite signature, in seconds: the network's least frame, and what floats count exactly.
SHORTEST, LONGEST = 0.1, 1000.0


@dataclass(frozen=True)
class ExportConfig:
    """SavedModel always; TFLite in these kinds, one signature for each length; ONNX and TF Hub."""

    # How weights are kept; full_int8 has activations in eight bits too, in calibrated ranges.
    # Empty: no TFLite.
    tflite: tuple[TfliteKind, ...] = ("float32", "int8")
    # A phone pads an utterance to the shortest of these that holds it.
    tflite_seconds: tuple[float, ...] = (4.0, 8.0, 16.0)
    # Utterances of the dev split that full_int8 is calibrated on.
    calibration_utterances: int = 64
    # ONNX files, named as TFLite's; empty: none.
    onnx: tuple[OnnxKind, ...] = ()
    # TensorFlow Hub models: with the CTC head, or the encoder that other tasks start from.
    hub: tuple[HubKind, ...] = ()
    # How far a float artifact's log-probabilities may stand from the Keras model's.
    max_float_delta: float = 1e-3

    def __post_init__(self) -> None:
        if self.tflite and not self.tflite_seconds:
            raise ValueError("export.tflite_seconds: name at least one length for TFLite")
        if not all(SHORTEST <= seconds <= LONGEST for seconds in self.tflite_seconds):
            raise ValueError(
                f"export.tflite_seconds: lengths must be {SHORTEST:g} to {LONGEST:g} seconds"
            )
        if len(set(self.tflite_seconds)) < len(self.tflite_seconds):
            raise ValueError("export.tflite_seconds: name each length once")
        if self.calibration_utterances < 1:
            raise ValueError("export.calibration_utterances must be at least 1")
