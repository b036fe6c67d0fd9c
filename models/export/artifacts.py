"""Export every artifact, run each back in its own runtime, and say how close it came.

The index (`exports.json`) names each artifact with its size and how far its log-probabilities
stand from the Keras model's on the same probe.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models import filesystem
from models.audio import pad_batch
from models.errors import W2vError
from models.export.config import ExportConfig
from models.export.saved_model import ServingModule, export_saved_model
from models.export.tflite import export_tflite
from models.progress import report
from models.recognisers import Recogniser, open_recogniser
from models.recognisers.keras_model import KerasRecogniser

log = logging.getLogger(__name__)

INDEX_FILE = "exports.json"
SERVING_FOLDER = "Format-Serving"  # where stock TFX parts look for a Model artifact's SavedModel
TFLITE_FOLDER = "tflite"
ONNX_FOLDER = "onnx"
SINGLE_FILES = (".tflite", ".onnx")
SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class ExportedArtifact:
    """One exported file or folder, and what its own runtime measured."""

    name: str
    format: str
    path: str  # relative to the index
    bytes: int
    sha256: str
    max_abs_delta: float  # of log-probabilities, against the Keras model
    seconds: float  # for the probe, after a first run
    lossy: bool  # smaller weights by design: its loss is for the evaluator to judge


@dataclass(frozen=True)
class Place:
    """Where an artifact was written, and what it is."""

    name: str
    format: str
    path: str  # relative to the index
    lossy: bool = False


Writer = Callable[[ServingModule, str, ExportConfig], list[Place]]


def export_all(
    module: ServingModule, folder: str, config: ExportConfig, probe: list[np.ndarray]
) -> list[ExportedArtifact]:
    """Write every artifact the config names below `folder`, checked against the Keras model."""
    writers = _writers(config)
    total = len(writers) + 1
    places: list[Place] = []
    for done, (note, write) in enumerate(writers.items()):
        report("Exporting", done, total, note)
        places += write(module, folder, config)
    report("Exporting", total - 1, total, "checking each in its own runtime")
    reference = KerasRecogniser(module)
    probe = [waveform[: max(_tflite_lengths(config), default=None)] for waveform in probe]
    artifacts = [_checked(folder, place, reference, probe) for place in places]
    _refuse_drift(artifacts, config.max_float_delta)
    report("Exporting", total, total)
    write_index(folder, artifacts)
    return artifacts


def _writers(config: ExportConfig) -> dict[str, Writer]:
    """What writes each format that the config asks for, by what to tell whoever waits."""
    writers: dict[str, Writer] = {"SavedModel": _write_saved_model}
    if config.tflite:
        writers["TFLite " + ", ".join(config.tflite)] = _write_tflite
    if config.onnx:
        writers["ONNX " + ", ".join(config.onnx)] = _write_onnx
    return writers


def _write_saved_model(module: ServingModule, folder: str, _: ExportConfig) -> list[Place]:
    export_saved_model(module, filesystem.join(folder, SERVING_FOLDER))
    return [Place("saved_model", "saved_model", SERVING_FOLDER)]


def _write_tflite(module: ServingModule, folder: str, config: ExportConfig) -> list[Place]:
    target, lengths = filesystem.join(folder, TFLITE_FOLDER), _tflite_lengths(config)
    export_tflite(module.model, module.processor, lengths, config.tflite, target)
    return [_place_of_kind(TFLITE_FOLDER, kind) for kind in config.tflite]


def _write_onnx(module: ServingModule, folder: str, config: ExportConfig) -> list[Place]:
    # Imported only where it is asked for: the converter takes a second to load.
    from models.export.onnx_model import export_onnx

    target = filesystem.join(folder, ONNX_FOLDER)
    export_onnx(module.model, module.processor, config.onnx, target)
    return [_place_of_kind(ONNX_FOLDER, kind) for kind in config.onnx]


def _place_of_kind(format_name: str, kind: str) -> Place:
    path = f"{format_name}/model-{kind}.{format_name}"
    return Place(f"{format_name}_{kind}", format_name, path, lossy=kind != "float32")


def _tflite_lengths(config: ExportConfig) -> tuple[int, ...]:
    return tuple(round(seconds * SAMPLE_RATE) for seconds in config.tflite_seconds)


def write_index(folder: str, artifacts: list[ExportedArtifact]) -> None:
    index = [dataclasses.asdict(artifact) for artifact in artifacts]
    filesystem.write_text(filesystem.join(folder, INDEX_FILE), json.dumps(index, indent=1))


def read_index(folder: str) -> list[ExportedArtifact]:
    """The exporter's index of an exported model."""
    index = json.loads(filesystem.read_text(filesystem.join(folder, INDEX_FILE)))
    return [ExportedArtifact(**entry) for entry in index]


def shipped_folders(exported: str) -> dict[str, str]:
    """What a release is made of: folders by their place in it, the SavedModel at the top."""
    beside = {name: filesystem.join(exported, name) for name in (TFLITE_FOLDER, ONNX_FOLDER)}
    there = {name: folder for name, folder in beside.items() if filesystem.exists(folder)}
    return {"": filesystem.join(exported, SERVING_FOLDER)} | there


def _checked(
    folder: str, place: Place, reference: Recogniser, probe: list[np.ndarray]
) -> ExportedArtifact:
    path = filesystem.join(folder, place.path)
    delta, seconds = compare(open_recogniser(path), reference, probe)
    log.info("%s: max |Δ log-probability| %.2g, %.3f s", place.name, delta, seconds)
    return ExportedArtifact(
        name=place.name,
        format=place.format,
        path=place.path,
        bytes=_bytes_of(path),
        sha256=_digest_of(path),
        max_abs_delta=delta,
        seconds=seconds,
        lossy=place.lossy,
    )


def compare(
    exported: Recogniser, reference: Recogniser, probe: list[np.ndarray]
) -> tuple[float, float]:
    """The largest log-probability difference over the probe, and a second run's seconds."""
    delta, seconds = 0.0, 0.0
    for waveform in probe:
        batch = pad_batch([waveform])
        expected = reference.recognise(**batch)[0].log_probs
        exported.recognise(**batch)  # the first run of a shape pays for its set-up
        started = time.monotonic()
        actual = exported.recognise(**batch)[0].log_probs
        seconds += time.monotonic() - started
        # Not Python's max, which would drop a NaN.
        delta = float(np.maximum(delta, np.abs(actual - expected).max(initial=0.0)))
    return delta, seconds


def _refuse_drift(artifacts: list[ExportedArtifact], bound: float) -> None:
    for artifact in artifacts:
        close = artifact.max_abs_delta <= bound  # False for NaN
        if not artifact.lossy and not close:
            raise W2vError(
                f"The exported {artifact.name} differs from the trained model by "
                f"{artifact.max_abs_delta:.2g} in log-probability (bound {bound:g}); "
                "it was not handed on."
            )


def _files_of(path: str) -> list[str]:
    if path.endswith(SINGLE_FILES):
        return [path]
    return [filesystem.join(path, name) for name in filesystem.list_files(path)]


def _bytes_of(path: str) -> int:
    return sum(filesystem.size(file) for file in _files_of(path))


def _digest_of(path: str) -> str:
    is_file = path.endswith(SINGLE_FILES)
    return filesystem.sha256_of_file(path) if is_file else filesystem.sha256_of_folder(path)
