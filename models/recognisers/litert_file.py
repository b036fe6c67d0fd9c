"""What the writer and the reader of a .tflite file share: its signatures, and what lies behind."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from models import filesystem
from models.artifact_kinds import TfliteKind
from models.code_version import code_version
from models.errors import BadInputError
from models.processor import PROCESSOR_FILES, Processor

PREFIX = "samples_"
ABOUT_FILE = "about.json"
FORMAT = 1


def signature_name(samples: int) -> str:
    """The signature of a static length."""
    return f"{PREFIX}{samples}"


def signature_samples(name: str) -> int:
    """The static length of a signature."""
    return int(name.removeprefix(PREFIX))


def append_processor(
    path: Path, kind: TfliteKind, processor: Processor, lengths: tuple[int, ...]
) -> None:
    """Put the processor's files and what an app must know behind the model, as a ZIP.

    Stored, not packed, so that a few lines of any language can read it; without times, so that the
    same model is the same bytes.
    """
    about = {
        "format": FORMAT,
        "kind": kind,
        "sample_rate": processor.sample_rate,
        "samples": sorted(lengths),
        "normalises": processor.normalises,
        "code_version": code_version(),
    }
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path, "a") as archive:
        processor.save_pretrained(folder)
        for file in sorted(Path(folder).iterdir()):
            archive.writestr(zipfile.ZipInfo(file.name), file.read_bytes())
        archive.writestr(zipfile.ZipInfo(ABOUT_FILE), json.dumps(about, indent=1))


@dataclass(frozen=True)
class Carried:
    """What travels in a .tflite file."""

    kind: TfliteKind
    processor: Processor


def read_carried(path: str | Path) -> Carried:
    """What lies behind the model."""
    try:
        source = io.BytesIO(filesystem.read_bytes(path)) if filesystem.is_remote(path) else path
        with zipfile.ZipFile(source) as archive, tempfile.TemporaryDirectory() as folder:
            for name in (*PROCESSOR_FILES, ABOUT_FILE):
                archive.extract(name, folder)
            about = filesystem.read_json_object(Path(folder) / ABOUT_FILE)
            _refuse_other_format(path, about.get("format"))
            return Carried(about["kind"], Processor.from_pretrained(folder))
    except (zipfile.BadZipFile, OSError, KeyError) as error:
        raise BadInputError(
            f"{path} carries no vocabulary, so it is no TFLite recogniser of ours; give one that "
            "the pipeline exported."
        ) from error


def _refuse_other_format(path: str | Path, found: object) -> None:
    if found != FORMAT:
        raise BadInputError(
            f"{path} is of format {found} and this version reads format {FORMAT}; use the version "
            "of wav2vec2-tfx that exported it, or export the model again."
        )
