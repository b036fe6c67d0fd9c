"""Files on any filesystem TensorFlow knows (local, gs://, …), by small whole reads and writes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, BinaryIO, Literal

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


def refuse_unknown_scheme(path: str | Path) -> None:
    """Raise where this TensorFlow has no filesystem for the path."""
    if not is_remote(path):
        return
    scheme = str(path).partition(REMOTE_MARK)[0]
    known = sorted(filter(None, _tensorflow_io().get_registered_schemes()))
    if scheme not in known:
        raise BadInputError(
            f"TensorFlow has no filesystem for {path}: it knows {', '.join(known)} here; "
            f"install the package that brings {scheme}://, or name another place."
        )


def errors_of(path: str | Path) -> tuple[type[Exception], ...]:
    """What reading and writing below the path may raise, for an `except`."""
    if not is_remote(path):
        return (OSError,)
    from tensorflow.errors import OpError

    return (OSError, OpError)


def exists(path: str | Path) -> bool:
    return _tensorflow_io().exists(str(path)) if is_remote(path) else os.path.exists(path)


def read_text(path: str | Path) -> str:
    return read_bytes(path).decode("utf-8")


def read_bytes(path: str | Path) -> bytes:
    if is_remote(path):
        with _tensorflow_io().GFile(str(path), "rb") as file:
            return file.read()
    return Path(path).read_bytes()


def read_text_if_there(path: str | Path) -> str | None:
    """A file's text, or None where there is none (any more)."""
    if not is_remote(path):
        try:
            return read_text(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
    from tensorflow.errors import NotFoundError

    try:
        return read_text(path)
    except NotFoundError:
        return None


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


def open_binary(path: str | Path, mode: Literal["rb", "wb"] = "rb") -> BinaryIO:
    """A file's bytes, to be read or written piece by piece."""
    return _tensorflow_io().GFile(str(path), mode) if is_remote(path) else open(path, mode)


def make_folder(path: str | Path) -> None:
    """Make a folder with those above it, where the filesystem has folders at all."""
    if is_remote(path):
        _tensorflow_io().makedirs(str(path))
    else:
        os.makedirs(path, exist_ok=True)


def copy_file(source: str | Path, target: str | Path) -> None:
    """Copy one file's bytes between any two filesystems."""
    make_folder(os.path.dirname(str(target)))
    if is_remote(source) or is_remote(target):
        _tensorflow_io().copy(str(source), str(target), overwrite=True)
    else:
        shutil.copyfile(source, target)


def rename_file(source: str | Path, target: str | Path) -> None:
    """Give one file another name on its filesystem; it appears there whole or not at all."""
    make_folder(os.path.dirname(str(target)))
    if is_remote(source):
        _tensorflow_io().rename(str(source), str(target), overwrite=True)
    else:
        os.replace(source, target)


def flush_to_disk(path: str | Path) -> None:
    """Return when a local file's bytes, or a folder's names, are on the disk.

    What a rename gives out must be there before the rename is, and the rename before it is told.
    """
    if is_remote(path):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder_to_disk(folder: str | Path) -> None:
    """Return when a local folder is on the disk: the bytes of its files, and all their names."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            flush_to_disk(join(place, name))
        flush_to_disk(place)


def size(path: str | Path) -> int:
    if is_remote(path):
        return _tensorflow_io().stat(str(path)).length
    return os.path.getsize(path)


def modified(path: str | Path) -> float:
    """When a file was last written, in seconds since 1970; 0 where nobody knows."""
    if is_remote(path):
        return _tensorflow_io().stat(str(path)).mtime_nsec / 1e9
    return os.stat(path).st_mtime


def list_folder(folder: str | Path) -> list[str]:
    """The names in a folder, sorted; none where there is no such folder."""
    if is_remote(folder):
        gfile = _tensorflow_io()
        names = gfile.listdir(str(folder)) if gfile.isdir(str(folder)) else []
        return sorted(name.rstrip("/") for name in names)
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


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
    with open_binary(path) as file:
        while chunk := file.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_folder(folder: str | Path) -> str:
    """One digest for a folder's content: names and bytes, not times."""
    return sha256_of_listing(
        {name: sha256_of_file(join(folder, name)) for name in list_files(folder)}
    )


def sha256_of_listing(digests: dict[str, str]) -> str:
    """What `sha256_of_folder` gives for a folder of files with these digests."""
    digest = hashlib.sha256()
    for name, file_digest in sorted(digests.items()):
        digest.update(f"{name}\0{file_digest}\n".encode())
    return digest.hexdigest()
