"""Run any exported artifact through its own runtime, the same way.

>>> recogniser = open_recogniser("release/1")                        # doctest: +SKIP
>>> recogniser.recognise(**pad_batch([read_audio("hello.wav")]))[0].text  # doctest: +SKIP
'HELLO'
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from models import filesystem
from models.errors import BadInputError
from models.padding_mask import Mask
from models.vocabulary import Vocabulary

Format = Literal["saved_model", "tflite", "onnx", "checkpoint"]
# A folder is what the first of these files in it says.
FOLDER_MARKS: dict[str, Format] = {"saved_model.pb": "saved_model", "config.json": "checkpoint"}


@dataclass(frozen=True)
class Recognition:
    """What a recogniser heard in one waveform."""

    text: str
    log_probs: np.ndarray  # [frames, vocab], valid frames only


class Recogniser(Protocol):
    """An exported recogniser. `static_lengths` is None where any length goes."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def static_lengths(self) -> tuple[int, ...] | None: ...

    def recognise(
        self, waveforms: np.ndarray, lengths: np.ndarray, mask: Mask = "full"
    ) -> list[Recognition]:
        """Rows of [batch, samples] float32, padded beyond their lengths."""
        ...


def open_recogniser(path: str | Path) -> Recogniser:
    """A SavedModel folder, a `.tflite` or `.onnx` file, or a checkpoint in Hugging Face layout."""
    kind = format_of(path)
    if kind == "tflite":
        from models.recognisers.litert import LiteRtRecogniser

        return LiteRtRecogniser(path)
    if kind == "onnx":
        from models.recognisers.onnx_model import OnnxRecogniser

        return OnnxRecogniser(path)
    if kind == "saved_model":
        from models.recognisers.saved_model import SavedModelRecogniser

        return SavedModelRecogniser(path)
    from models.recognisers.keras_model import KerasRecogniser

    return KerasRecogniser.from_checkpoint(path)


def format_of(path: str | Path) -> Format:
    """What kind of recogniser lies there."""
    suffix = Path(path).suffix
    if suffix in (".tflite", ".onnx") and not filesystem.exists(path):
        raise BadInputError(f"{path} is not there; give the path of a {suffix} file.")
    if suffix == ".tflite":
        return "tflite"
    if suffix == ".onnx":
        return "onnx"
    for name, kind in FOLDER_MARKS.items():
        if filesystem.exists(filesystem.join(path, name)):
            return kind
    raise BadInputError(
        f"{os.fspath(path)} is no model: give a .tflite or .onnx file, a SavedModel "
        "folder (saved_model.pb) or a checkpoint folder (config.json)."
    )
