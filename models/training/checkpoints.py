"""Checkpoints from which a killed training goes on: named arrays and notes, whole or not there.

Each is one `.safetensors` file that any reader of the format opens. The notes lie in its metadata,
and its last tensor is the SHA-256 of every byte before it, so that it is written in one go, array
by array, and no changed byte goes unseen.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from operator import index
from typing import IO, Any

import ml_dtypes  # noqa: F401  (teaches NumPy what "bfloat16" is)
import numpy as np

from models import filesystem
from models.errors import BadInputError

log = logging.getLogger(__name__)

FORMAT = "1"
FILE_NAME = re.compile(r"step-(\d{9,})\.safetensors")
UNFINISHED = ".part"
METADATA = "__metadata__"
DIGEST = "__sha256__"
DIGEST_BYTES = hashlib.sha256().digest_size
# Large enough that calls cost nothing, small enough to stay in the processor's cache.
PIECE_BYTES = 1 << 20

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
_CODES = {name: code for code, name in _DTYPES.items()}


class DamagedCheckpointError(BadInputError):
    """A checkpoint does not hold the bytes that were written."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after so many steps."""

    step: int
    arrays: dict[str, np.ndarray]
    notes: dict[str, Any]


class Checkpoints:
    """The checkpoints of one training in a folder, local or on any filesystem that TF knows.

    One process writes them; any number may read. A training that does not go on from the newest
    removes them all before it saves its own.

    >>> import tempfile
    >>> checkpoints = Checkpoints(f"{tempfile.mkdtemp()}/checkpoints", keep=2)
    >>> checkpoints.save(100, {"kernel": np.zeros((2, 3), np.float32)}, {"best_wer": 0.25})
    True
    >>> newest = checkpoints.newest()
    >>> newest.step, newest.arrays["kernel"].shape, newest.notes
    (100, (2, 3), {'best_wer': 0.25})
    >>> checkpoints.remove()
    """

    def __init__(self, folder: str, keep: int | None = 2) -> None:
        """Of more than `keep` checkpoints the oldest are removed; None removes nothing."""
        if keep is not None and keep < 1:
            raise ValueError(f"keep must be at least 1, or None to keep all, not {keep}")
        self.folder = folder
        self.keep = keep

    def save(self, step: int, arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> bool:
        """Write a checkpoint, whole or not at all, then remove the oldest beyond `keep`.

        What keeps it from being written is told in a warning and gives False: a training of days
        must not die of a full disk.
        """
        header = _header(arrays, notes)
        path = self._path(step)
        try:
            filesystem.make_folder(self.folder)
            self._remove_unfinished()
            _write(path + UNFINISHED, header, arrays)
            filesystem.flush_to_disk(path + UNFINISHED)
            filesystem.rename_file(path + UNFINISHED, path)
            filesystem.flush_to_disk(self.folder)
        except filesystem.errors_of(self.folder) as error:
            self._tell_unwritten(step, arrays, error)
            return False
        self._remove_oldest(step)
        return True

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole; a damaged one is told in a warning and passed over.

        One that cannot be read at all is no damage, as a bucket may be out of reach for a while:
        it is an error, lest days of training be thrown away.
        """
        for step in reversed(self.steps()):
            try:
                return self.load(step)
            except DamagedCheckpointError as error:
                log.warning("%s", error)
        return None

    def load(self, step: int) -> Checkpoint:
        """The checkpoint of this step."""
        path = self._path(step)
        with self._unreadable_is_bad_input():
            try:
                return Checkpoint(step, *_read(path))
            except ValueError as damage:
                raise DamagedCheckpointError(
                    f"The checkpoint {path} is damaged ({damage}) and of no use: an older one has "
                    "to do, or training starts anew."
                ) from damage

    def steps(self) -> list[int]:
        """The steps of the checkpoints that are there by name, ascending."""
        with self._unreadable_is_bad_input():
            return self._listed()

    def _listed(self) -> list[int]:
        found = map(FILE_NAME.fullmatch, filesystem.list_folder(self.folder))
        return sorted(int(match[1]) for match in found if match)

    def keep_only(self, steps: Collection[int]) -> None:
        """Remove the checkpoints of all other steps."""
        with self._irremovable_is_told():
            for step in set(self._listed()).difference(steps):
                filesystem.remove(self._path(step))

    def remove(self) -> None:
        """Remove the whole folder, when training is done."""
        with self._irremovable_is_told():
            filesystem.remove(self.folder)

    def _path(self, step: int) -> str:
        return filesystem.join(self.folder, f"step-{step:09d}.safetensors")

    def _remove_oldest(self, step: int) -> None:
        if self.keep is None:
            return
        with self._irremovable_is_told():
            # What is newer than the one just written is damaged, or was out of sight for a while:
            # it must not push out what training goes on from, nor is it ours to judge.
            past = [other for other in self._listed() if other <= step]
            for old in past[: -self.keep]:
                filesystem.remove(self._path(old))

    def _remove_unfinished(self) -> None:
        """Remove what a killed process has left half written."""
        for name in filesystem.list_folder(self.folder):
            if name.endswith(UNFINISHED) and FILE_NAME.fullmatch(name.removesuffix(UNFINISHED)):
                filesystem.remove(filesystem.join(self.folder, name))

    def _tell_unwritten(
        self, step: int, arrays: Mapping[str, np.ndarray], error: Exception
    ) -> None:
        standing = "what is there already cannot be listed"
        with suppress(*filesystem.errors_of(self.folder)):
            steps = self._listed()
            standing = f"the newest there is of step {steps[-1]}" if steps else "none is there yet"
            self._remove_unfinished()
        megabytes = math.ceil(sum(array.nbytes for array in arrays.values()) / 1e6)
        log.warning(
            "The checkpoint of step %d could not be written to %s (%s): see that %d MB are free "
            "there and that it may be written; training goes on, and %s.",
            step,
            self.folder,
            error,
            megabytes,
            standing,
        )

    @contextmanager
    def _unreadable_is_bad_input(self) -> Iterator[None]:
        try:
            yield
        except filesystem.errors_of(self.folder) as error:
            raise BadInputError(
                f"The checkpoints in {self.folder} cannot be read ({error}): make them readable, "
                "or remove those that are not."
            ) from error

    @contextmanager
    def _irremovable_is_told(self) -> Iterator[None]:
        try:
            yield
        except filesystem.errors_of(self.folder) as error:
            log.warning(
                "Checkpoints in %s that are no longer needed could not be removed (%s): remove "
                "them by hand.",
                self.folder,
                error,
            )


def _header(arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> bytes:
    """What the file starts with; an array or a note that cannot be stored raises here."""
    for reserved in (METADATA, DIGEST):
        if reserved in arrays:
            raise ValueError(f"no array of a checkpoint can be named {reserved}")
    tensors = [(name, array.dtype.name, array.shape) for name, array in arrays.items()]
    tensors.append((DIGEST, "uint8", (DIGEST_BYTES,)))
    content: dict[str, Any] = {
        METADATA: {"checkpoint_format": FORMAT, "notes": json.dumps(dict(notes))}
    }
    offset = 0
    for name, dtype, shape in tensors:
        if dtype not in _CODES:
            raise ValueError(f"{name} has the type {dtype}, which no checkpoint can hold")
        end = offset + _size(dtype, shape)
        content[name] = {"dtype": _CODES[dtype], "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(content, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text


def _size(dtype: str, shape: tuple[int, ...]) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize


def _write(path: str, header: bytes, arrays: Mapping[str, np.ndarray]) -> None:
    digest = hashlib.sha256()
    with filesystem.open_binary(path, "wb") as file:
        for piece in chain([header], chain.from_iterable(map(_pieces, arrays.values()))):
            digest.update(piece)
            file.write(piece)
        file.write(digest.digest())


def _pieces(array: np.ndarray) -> Iterator[bytes]:
    """An array's bytes, contiguous and in the machine's order, which is what a name stands for."""
    flat = np.ascontiguousarray(array, dtype=array.dtype.name).reshape(-1).view(np.uint8)
    for start in range(0, flat.size, PIECE_BYTES):
        yield flat[start : start + PIECE_BYTES].tobytes()


def _read(path: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """A file's arrays and notes; a `ValueError` says in what way it is damaged."""
    digest = hashlib.sha256()
    size = filesystem.size(path)
    with filesystem.open_binary(path) as file:

        def take(count: int) -> bytes:
            piece = _exactly(file, count)
            digest.update(piece)
            return piece

        (length,) = struct.unpack("<Q", take(8))
        if length > size:
            raise ValueError("it is cut short")
        tensors, notes = _tensors_and_notes(take(length))
        # Nothing is allocated that is not in the file, whatever a damaged header may say.
        told = 8 + length + sum(_size(*tensor) for tensor in tensors.values()) + DIGEST_BYTES
        if told != size:
            raise ValueError(f"it has {size} bytes, not {told}")
        arrays = {name: _read_array(take, *tensor) for name, tensor in tensors.items()}
        if _exactly(file, DIGEST_BYTES) != digest.digest():
            raise ValueError("some of its bytes have changed")
    return arrays, notes


def _exactly(file: IO[bytes], count: int) -> bytes:
    piece = file.read(count)
    if len(piece) != count:
        raise ValueError("it is cut short")
    return piece


def _tensors_and_notes(
    header: bytes,
) -> tuple[dict[str, tuple[str, tuple[int, ...]]], dict[str, Any]]:
    """Type and shape of each array in the order of the file, its digest left out; and the notes."""
    try:
        content = json.loads(header)
        metadata = content.pop(METADATA)
        written = metadata["checkpoint_format"]
        tensors = {
            name: (_DTYPES[tensor["dtype"]], tuple(map(index, tensor["shape"])))
            for name, tensor in content.items()
        }
        del tensors[DIGEST]
        notes = json.loads(metadata["notes"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("its header makes no sense") from error
    if written != FORMAT:
        raise ValueError(f"its format is {written}, but {FORMAT} is what can be read here")
    return tensors, notes


def _read_array(take: Callable[[int], bytes], dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    array = np.empty(shape, dtype)
    flat = array.reshape(-1).view(np.uint8)
    for start in range(0, flat.size, PIECE_BYTES):
        piece = flat[start : start + PIECE_BYTES]
        piece[:] = np.frombuffer(take(piece.size), np.uint8)
    return array
