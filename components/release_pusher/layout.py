"""What lies where in a release: the SavedModel at its top, and folders beside it."""

from __future__ import annotations

from pathlib import PurePosixPath

from models.recognisers.published import KINDS

# One artifact in each file, such as tflite/model-int8.tflite; also what a client needs to read it.
FILE_FOLDERS = tuple(KINDS)
REPORT_FOLDER = "report"
FOLDERS_BESIDE = (*FILE_FOLDERS, REPORT_FOLDER)
CARD_FILE = "MODEL_CARD.md"


def is_file_artifact(path: str) -> bool:
    """Whether a file of a release is an artifact by itself."""
    place = PurePosixPath(path)
    return place.parts[0] in FILE_FOLDERS and place.suffix == f".{place.parts[0]}"


def is_of_saved_model(path: str) -> bool:
    """Whether a file of a release is a part of its SavedModel."""
    return PurePosixPath(path).parts[0] not in (*FOLDERS_BESIDE, CARD_FILE)
