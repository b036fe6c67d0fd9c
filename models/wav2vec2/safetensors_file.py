"""Reading and writing `.safetensors`, one tensor at a time and without torch."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from models import filesystem
from models.errors import BadInputError
from models.wav2vec2.binary_file import widen_bfloat16

# Little-endian, as the format prescribes; bfloat16, which NumPy lacks, is widened when read.
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}


@dataclass(frozen=True)
class SafeTensor:
    """A tensor that lies in a file: its shape is known, its values are read when asked for.

    Reading rather than mapping keeps the peak of memory at the model and one tensor: pages of a
    mapped file count as memory of the process.
    """

    path: str
    start: int
    dtype: str
    shape: tuple[int, ...]

    def read(self) -> np.ndarray:
        with filesystem.open_binary(self.path) as file:
            file.seek(self.start)
            content = file.read(_size(self.dtype, self.shape))
        flat = np.frombuffer(content, dtype=_DTYPES[self.dtype])
        return (widen_bfloat16(flat) if self.dtype == "BF16" else flat).reshape(self.shape)


def read_safetensors(path: str) -> dict[str, SafeTensor]:
    """The tensors of one file by name; each is read from disk when it is asked for."""
    file_size = filesystem.size(path)
    with filesystem.open_binary(path) as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else file_size
        if length > file_size - 8:
            raise BadInputError(f"{path} is cut short or not a safetensors file: fetch it again.")
        entries = _entries(path, file.read(length))
    first = 8 + length
    for key, entry in entries.items():
        _refuse_unreadable(path, key, entry, file_size - first)
    return {
        key: SafeTensor(path, first + entry.begin, entry.dtype, entry.shape)
        for key, entry in entries.items()
    }


class _Entry(NamedTuple):
    """What the header says of a tensor; `begin` and `end` are bytes after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def _entries(path: str, header: bytes) -> dict[str, _Entry]:
    try:
        content = json.loads(header)
        content.pop("__metadata__", None)
        return {
            key: _Entry(entry["dtype"], tuple(map(int, entry["shape"])), *entry["data_offsets"])
            for key, entry in content.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(f"The header of {path} makes no sense: fetch it again.") from error


def _refuse_unreadable(path: str, key: str, entry: _Entry, room: int) -> None:
    if entry.dtype not in _DTYPES:
        raise BadInputError(
            f"Tensor {key} in {path} has the type {entry.dtype}, which cannot be read here."
        )
    begin, end = entry.begin, entry.end
    if not 0 <= begin <= end <= room or end - begin != _size(entry.dtype, entry.shape):
        raise BadInputError(f"Tensor {key} reaches beyond the end of {path}: fetch it again.")


def _size(dtype: str, shape: tuple[int, ...]) -> int:
    return math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize


def write_safetensors(path: str, tensors: Iterable[tuple[str, tuple[int, ...], Any]]) -> None:
    """Write float32 tensors given as (key, shape, function that makes the array), one at a time."""
    listed = sorted(tensors, key=lambda item: item[0])
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for key, shape, _ in listed:
        end = offset + 4 * math.prod(shape)
        header[key] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data start at a multiple of eight bytes
    with filesystem.open_binary(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, make in listed:
            file.write(np.ascontiguousarray(make(), dtype="<f4").tobytes())
