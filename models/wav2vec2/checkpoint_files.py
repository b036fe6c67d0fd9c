"""Finding the config and the tensors of a checkpoint, in whichever of its formats it comes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from models import filesystem
from models.errors import BadInputError
from models.processor import Processor
from models.wav2vec2 import fairseq
from models.wav2vec2.config import Wav2Vec2Config
from models.wav2vec2.safetensors_file import read_safetensors
from models.wav2vec2.torch_file import StoredTensor, read_torch_file


class Tensor(Protocol):
    """Something of a known shape that can be read."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def read(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Found:
    """A tensor of a checkpoint: under which key it lies in the file, and how to read it."""

    key: str
    tensor: Tensor


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds, before a model is built of it; `tensors` by our names."""

    path: str
    config: Wav2Vec2Config
    tensors: Mapping[str, Found]
    # What stands around the network, where no files beside the weights say it.
    processor: Processor | None = None

    def holds(self, prefixes: tuple[str, ...]) -> bool:
        """Whether there is a tensor whose name has one of the prefixes."""
        return any(name.startswith(prefixes) for name in self.tensors)


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Read names and shapes; the tensors themselves are read later, one at a time."""
    location = str(path).rstrip("/")
    if not tf.io.gfile.exists(location):
        raise BadInputError(
            f"There is no {location} here: name the folder of a downloaded Hugging Face"
            " checkpoint, or a fairseq .pt."
        )
    if location.endswith(".safetensors"):
        raise BadInputError(f"{location} is weights alone: name the folder of its config.json.")
    if not tf.io.gfile.isdir(location):
        return _open_fairseq(location)
    config_file = f"{location}/config.json"
    if not tf.io.gfile.exists(config_file):
        raise BadInputError(f"There is no config.json in {location}: fetch the whole checkpoint.")
    with tf.io.gfile.GFile(config_file) as file:
        config = Wav2Vec2Config.from_text(file.read(), config_file)
    found = {
        name.removeprefix("module."): tensor for name, tensor in _read_folder(location).items()
    }
    return Checkpoint(location, config, _by_our_names(found))


# In this order, the safest and fastest first.
_READERS = {
    "model.safetensors": lambda path: _safetensors([path]),
    "model.safetensors.index.json": lambda path: _safetensors(_shards(path)),
    "pytorch_model.bin": lambda path: _torch([path]),
    "pytorch_model.bin.index.json": lambda path: _torch(_shards(path)),
}


def _read_folder(folder: str) -> dict[str, Tensor]:
    for name, read in _READERS.items():
        if tf.io.gfile.exists(f"{folder}/{name}"):
            return read(f"{folder}/{name}")
    raise BadInputError(
        f"{folder} holds none of {', '.join(_READERS)}: fetch the checkpoint's weights."
    )


def _shards(index: str) -> list[str]:
    folder = index.rsplit("/", 1)[0]
    with tf.io.gfile.GFile(index) as file:
        try:
            weight_map = json.loads(file.read())["weight_map"]
            names = sorted({str(name) for name in weight_map.values()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInputError(f"{index} is not an index of weights: fetch it again.") from error
    for name in names:
        if "/" in name or not tf.io.gfile.exists(f"{folder}/{name}"):
            raise BadInputError(f"{index} names {name}, which is not beside it: fetch it as well.")
    return [f"{folder}/{name}" for name in names]


def _safetensors(paths: Iterable[str]) -> dict[str, Tensor]:
    return {key: tensor for path in paths for key, tensor in read_safetensors(path).items()}


def _torch(paths: Iterable[str]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for path in paths:
        content = read_torch_file(path)
        if not isinstance(content, dict) or not all(
            isinstance(value, StoredTensor) for value in content.values()
        ):
            raise BadInputError(f"{path} holds more than named tensors: it is no model's weights.")
        found |= content
    return found


def _open_fairseq(path: str) -> Checkpoint:
    content = read_torch_file(path)
    if not fairseq.is_fairseq(content):
        raise BadInputError(f"{path} is no fairseq checkpoint: name the folder of its config.json.")
    found: dict[str, Found] = {}
    for key, tensor in content["model"].items():
        name = fairseq.our_name(key)
        if name is None or not isinstance(tensor, StoredTensor):
            raise BadInputError(
                f"{path} holds {key}, which no Wav2Vec2 has: it is a model of another kind."
            )
        found[_current_name(name)] = Found(key, tensor)
    head = found.get("lm_head.weight")
    vocab_size = None if head is None else head.tensor.shape[0]
    dictionary = _text_beside(path, "dict.ltr.txt")
    return Checkpoint(
        path,
        fairseq.config_of(content, vocab_size),
        found,
        fairseq.processor_of(content, dictionary, vocab_size),
    )


def _text_beside(path: str, name: str) -> str | None:
    file = filesystem.join(os.path.dirname(path), name)
    return filesystem.read_text(file) if filesystem.exists(file) else None


def _by_our_names(tensors: Mapping[str, Tensor]) -> dict[str, Found]:
    """Names as today's models with a head have them: `wav2vec2.` before those of the trunk."""
    headless = not any(key.startswith("wav2vec2.") for key in tensors)
    prefix = "wav2vec2." if headless else ""
    return {_current_name(prefix + key): Found(key, tensor) for key, tensor in tensors.items()}


def _current_name(name: str) -> str:
    """PyTorch renamed the two parts of a normalised weight; both names are met."""
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
        name = name.replace(f"conv.{old}", f"conv.parametrizations.weight.{new}")
    return name
