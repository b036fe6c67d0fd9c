"""Reading and writing `.safetensors`, one tensor at a time and without torch."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from models.errors import BadInputError

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


class SafetensorsFile:
    """The tensors of one file by name; each is read from disk when it is asked for.

    Reading rather than mapping keeps the peak of memory at the model and one tensor: pages of a
    mapped file count as memory of the process.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._header, self._start = _read_header(path)

    def keys(self) -> list[str]:
        return list(self._header)

    def shape(self, key: str) -> tuple[int, ...]:
        return tuple(self._header[key]["shape"])

    def read(self, key: str) -> np.ndarray:
        entry = self._header[key]
        begin, end = entry["data_offsets"]
        dtype = np.dtype(_DTYPES[entry["dtype"]])
        with tf.io.gfile.GFile(self.path, "rb") as file:
            file.seek(self._start + begin)
            flat = np.frombuffer(file.read(end - begin), dtype=dtype)
        if entry["dtype"] == "BF16":
            flat = widen_bfloat16(flat)
        return flat.reshape(entry["shape"])


def widen_bfloat16(halves: np.ndarray) -> np.ndarray:
    """bfloat16, given as its 16 bits, to float32: the same bits with zeros behind them."""
    return (halves.astype("<u4") << 16).view("<f4")


def _read_header(path: str) -> tuple[dict[str, Any], int]:
    size = tf.io.gfile.stat(path).length
    with tf.io.gfile.GFile(path, "rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
        if length > size - 8:
            raise BadInputError(f"{path} is cut short or not a safetensors file: fetch it again.")
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise BadInputError(f"The header of {path} is not JSON: fetch it again.") from error
    header.pop("__metadata__", None)
    for key, entry in header.items():
        _check_entry(path, key, entry, size - 8 - length)
    return header, 8 + length


def _check_entry(path: str, key: str, entry: dict[str, Any], room: int) -> None:
    if entry["dtype"] not in _DTYPES:
        raise BadInputError(
            f"Tensor {key} in {path} has the type {entry['dtype']}, which cannot be read here."
        )
    begin, end = entry["data_offsets"]
    expected = int(np.prod(entry["shape"], dtype=np.int64))
    expected *= np.dtype(_DTYPES[entry["dtype"]]).itemsize
    if not 0 <= begin <= end <= room or end - begin != expected:
        raise BadInputError(f"Tensor {key} reaches beyond the end of {path}: fetch it again.")


def write_safetensors(path: str, tensors: Iterable[tuple[str, tuple[int, ...], Any]]) -> None:
    """Write float32 tensors given as (key, shape, function that makes the array), one at a time."""
    listed = sorted(tensors, key=lambda item: item[0])
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for key, shape, _ in listed:
        end = offset + 4 * int(np.prod(shape, dtype=np.int64))
        header[key] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data start at a multiple of eight bytes
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, make in listed:
            file.write(np.ascontiguousarray(make(), dtype="<f4").tobytes())
