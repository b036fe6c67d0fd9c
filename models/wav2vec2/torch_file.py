"""Reading what `torch.save` wrote, without torch and without running anything the file asks for.

Such a file is a pickle, and a pickle may name any function for its reader to call. Here only the
few names that rebuild tensors mean anything; settings of known training tools become inert
records; any other name refuses the file.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from models import filesystem
from models.errors import BadInputError
from models.wav2vec2.binary_file import widen_bfloat16

_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
# Training tools whose settings and bookkeeping lie beside the tensors in a fairseq checkpoint.
_INERT_PACKAGES = ("fairseq", "omegaconf", "argparse", "hydra", "numpy", "typing", "_codecs")
_INERT_NAMES = {"torch.device", "torch.Generator", "pathlib.PosixPath", "enum.Enum"}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


class Record:
    """Stands for an object of a class that is not loaded: what it was given, nothing done."""

    arguments: tuple[Any, ...]
    settings: dict[str, Any]
    items: dict[Any, Any]

    # Not `__init__`, which a pickle may pass over.
    def __new__(cls, *arguments: Any, **settings: Any) -> Record:
        record = super().__new__(cls)
        record.arguments, record.settings, record.items = arguments, settings, {}
        return record

    def __setstate__(self, state: Any) -> None:
        self.settings = state if isinstance(state, dict) else {"state": state}

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def append(self, value: Any) -> None:
        self.items[len(self.items)] = value

    def extend(self, values: Any) -> None:
        for value in values:
            self.append(value)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that lies in a file: its shape is known, its values are read when asked for."""

    shape: tuple[int, ...]
    _storage: _Storage
    _offset: int
    _strides: tuple[int, ...]

    def read(self) -> np.ndarray:
        flat = self._storage.read()
        reach = (
            1
            + self._offset
            + sum(
                stride * (size - 1) for stride, size in zip(self._strides, self.shape, strict=True)
            )
        )
        empty = 0 in self.shape
        if min((0, self._offset, *self._strides)) < 0 or (reach > flat.size and not empty):
            raise BadInputError(f"A tensor of {self._storage.path} reaches beyond its data.")
        view = np.lib.stride_tricks.as_strided(
            flat[self._offset :],
            self.shape,
            [stride * flat.itemsize for stride in self._strides],
            writeable=False,
        )
        return widen_bfloat16(view) if self._storage.is_bfloat16 else view


@dataclass(frozen=True)
class _Storage:
    """A run of numbers in the file; several tensors may be views of one."""

    path: str
    kind: str
    read_bytes: Callable[[], bytes]

    @property
    def is_bfloat16(self) -> bool:
        return self.kind == "BFloat16Storage"

    def read(self) -> np.ndarray:
        try:
            return np.frombuffer(self.read_bytes(), dtype=_DTYPES[self.kind])
        except ValueError as error:
            raise BadInputError(f"{self.path} is cut short: fetch it again.") from error


def read_torch_file(path: str) -> Any:
    """The object in the file, with a `StoredTensor` in place of each tensor."""
    try:
        with filesystem.open_binary(path) as file:
            is_zip = file.read(2) == b"PK"
        return _read_zip(path) if is_zip else _read_legacy(path)
    except (pickle.UnpicklingError, EOFError, zipfile.BadZipFile, struct.error) as error:
        raise BadInputError(
            f"{path} is cut short or not a PyTorch checkpoint ({error}): fetch it again."
        ) from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # What a pickle that makes no sense does to its reader.
        raise BadInputError(f"{path} is not a PyTorch checkpoint ({error}).") from error


def _read_zip(path: str) -> Any:
    """The format since PyTorch 1.6: a zip of one pickle and one member per storage."""
    with filesystem.open_binary(path) as file, zipfile.ZipFile(file) as archive:
        pickled = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if pickled is None:
            raise BadInputError(f"{path} is a zip file, but not one of PyTorch's: name another.")
        folder = pickled.removesuffix("data.pkl")

        def storage(kind: str, key: str, _location: Any, _count: int) -> _Storage:
            return _Storage(path, kind, partial(_zip_member, path, f"{folder}data/{key}"))

        with archive.open(pickled) as member:
            return _SafeUnpickler(member, path, storage).load()


def _zip_member(path: str, name: str) -> bytes:
    try:
        with filesystem.open_binary(path) as file, zipfile.ZipFile(file) as archive:
            # A few compressed bytes can unfold to more than the memory holds.
            if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
                raise BadInputError(f"{name} in {path} is compressed: save it anew with PyTorch.")
            return archive.read(name)
    except (KeyError, zipfile.BadZipFile) as error:
        raise BadInputError(f"{path} lacks the data of {name}: fetch it again.") from error


def _read_legacy(path: str) -> Any:
    """The format before: pickles in a row, then the storages in the order of a list of keys."""
    starts: dict[str, tuple[int, int]] = {}

    def read_storage(key: str) -> bytes:
        start, size = starts[key]
        with filesystem.open_binary(path) as file:
            file.seek(start)
            return file.read(size)

    sizes: dict[str, int] = {}

    def storage(kind: str, key: str, _location: Any, count: int, view: Any = None) -> _Storage:
        if view is not None:
            raise BadInputError(f"{path} holds views of storages: save it anew with PyTorch 1.6.")
        sizes[key] = count * np.dtype(_DTYPES[kind]).itemsize
        return _Storage(path, kind, partial(read_storage, key))

    with filesystem.open_binary(path) as file:
        if _SafeUnpickler(file, path, storage).load() != _LEGACY_MAGIC:
            raise BadInputError(f"{path} is not a PyTorch checkpoint.")
        for _ in ("protocol version", "system"):
            _SafeUnpickler(file, path, storage).load()
        content = _SafeUnpickler(file, path, storage).load()
        for key in _SafeUnpickler(file, path, storage).load():
            file.read(8)  # the number of elements, known already
            starts[key] = (file.tell(), sizes[key])
            file.seek(sizes[key], 1)
    return content


class _SafeUnpickler(pickle.Unpickler):
    def __init__(self, file: Any, path: str, storage: Callable[..., _Storage]) -> None:
        super().__init__(file, encoding="utf-8")
        self._path = path
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        meaning = _MEANINGS.get(f"{module}.{name}")
        if meaning is not None:
            # A new callable each time: a pickle may set attributes on what it is given.
            return meaning if isinstance(meaning, type) else partial(meaning)
        if module == "torch" and name in _DTYPES:
            return type(name, (Record,), {})
        inert = module.split(".")[0] in _INERT_PACKAGES or f"{module}.{name}" in _INERT_NAMES
        if inert or (module == "torch" and name in _TORCH_DTYPES):
            return type(name, (Record,), {})
        raise BadInputError(
            f"{self._path} asks to run {module}.{name}, which no checkpoint needs: do not trust it."
        )

    def persistent_load(self, description: Any) -> _Storage:
        tag, kind, *details = description
        if tag != "storage" or kind.__name__ not in _DTYPES:
            raise BadInputError(f"{self._path} holds data of a kind that cannot be read here.")
        return self._storage(kind.__name__, *details)


_TORCH_DTYPES = {"float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8"} | {
    "uint8",
    "bool",
}


def _tensor(storage: _Storage, offset: int, size: Any, strides: Any, *_: Any) -> StoredTensor:
    return StoredTensor(tuple(size), storage, offset, tuple(strides))


def _parameter(tensor: StoredTensor, *_: Any) -> StoredTensor:
    return tensor


def _plain(kind: Callable[..., Any], *arguments: Any) -> Any:
    return kind(*arguments)


_MEANINGS: dict[str, Any] = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.nn.parameter.Parameter": _parameter,
    "torch.Size": partial(_plain, tuple),
    "torch.serialization._get_layout": partial(_plain, str),
    "collections.OrderedDict": OrderedDict,
    "collections.defaultdict": Record,
    "collections.Counter": Record,
    "__builtin__.set": set,
    "builtins.set": set,
    "builtins.dict": dict,
    "builtins.list": list,
    "builtins.tuple": tuple,
    "builtins.int": int,
    "builtins.float": float,
    "builtins.str": str,
    "builtins.bool": bool,
}
