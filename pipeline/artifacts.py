"""Exported artifacts by their path: what `w2v evaluate` can be given."""

from __future__ import annotations

from pathlib import Path

from components.wer_evaluator.evaluation import ArtifactFacts
from models import filesystem
from models.recognisers import format_of

BESIDE_SAVED_MODEL = [("tflite",), ("onnx",), ("report",), ("manifest.json",)]


def name_of(model: Path) -> str:
    """The artifact's name, as the exporter has it.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "model-int8.tflite")
    ...     _ = file.write_bytes(b"")
    ...     name_of(file)
    'tflite_int8'
    """
    kind = format_of(model)
    return kind if model.is_dir() else f"{kind}_{model.stem.removeprefix('model-')}"


def facts_of(model: Path) -> ArtifactFacts:
    """The artifact's name, format and size."""
    name, kind = name_of(model), format_of(model)
    files = [
        model / file
        for file in (filesystem.list_files(model) if model.is_dir() else [""])
        # A release has more beside its SavedModel.
        if Path(file).parts[:1] not in BESIDE_SAVED_MODEL
    ]
    size = sum(filesystem.size(file) for file in files)
    return ArtifactFacts(name, kind, size)
