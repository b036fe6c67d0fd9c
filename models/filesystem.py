"""Files on any filesystem TensorFlow knows (local, gs://, …), by small whole reads and writes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from models.errors import BadInputError

REMOTE_MARK = "://"
HASH_CHUNK_BYTES = 1 << 20


def join(folder: str | Path, *names: str) -> str:
    return os.path.join(str(folder), *names)


def is_remote(path: str | Path) -> bool:
    return REMOTE_MARK in str(path)


def _tensorflow_io():
    # Imported only for remote paths: a local vocabulary must not cost seconds of TensorFlow.
    from tensorflow.io import gfile

    return gfile


def exists(path: str | Path) -> bool:
    return _tensorflow_io().exists(str(path)) if is_remote(path) else os.path.exists(path)


def read_text(path: str | Path) -> str:
    return read_bytes(path).decode("utf-8")


def read_bytes(path: str | Path) -> bytes:
    if is_remote(path):
        with _tensorflow_io().GFile(str(path), "rb") as file:
            return file.read()
    return Path(path).read_bytes()


def read_json_object(path: str | Path) -> dict[str, Any]:
    """A small JSON file, such as lies beside a model's weights."""
    try:
        content = json.loads(read_text(path))
    except ValueError as error:  # also bytes that are no text
        raise BadInputError(f"{path} is not JSON ({error}); fetch the file again.") from error
    if not isinstance(content, dict):
        raise BadInputError(f"{path} must hold a JSON object; fetch the file again.")
    return content


def write_text(path: str | Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, content: bytes) -> None:
    if is_remote(path):
        with _tensorflow_io().GFile(str(path), "wb") as file:
            file.write(content)
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def size(path: str | Path) -> int:
    if is_remote(path):
        return _tensorflow_io().stat(str(path)).length
    return os.path.getsize(path)


def list_files(folder: str | Path) -> list[str]:
    """Every file below the folder, as sorted paths relative to it."""
    if is_remote(folder):
        found = [
            join(place, name)[len(str(folder)) :].lstrip("/")
            for place, _, names in _tensorflow_io().walk(str(folder))
            for name in names
        ]
        return sorted(found)
    root = Path(folder)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def remove(path: str | Path) -> None:
    """Remove a file or a folder with all that is in it, where there is one."""
    if not exists(path):
        return
    if is_remote(path):
        gfile = _tensorflow_io()
        (gfile.rmtree if gfile.isdir(str(path)) else gfile.remove)(str(path))
    elif os.path.isdir(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


def sha256_of_file(path: str | Path) -> str:
    """The digest of one file, read in pieces so that a large model costs no memory."""
    digest = hashlib.sha256()
    with _tensorflow_io().GFile(str(path), "rb") if is_remote(path) else open(path, "rb") as file:
        while chunk := file.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_folder(folder: str | Path) -> str:
    """One digest for a folder's content: names and bytes, not times."""
    digest = hashlib.sha256()
    for name in list_files(folder):
        digest.update(f"{name}\0{sha256_of_file(join(folder, name))}\n".encode())
    return digest.hexdigest()
