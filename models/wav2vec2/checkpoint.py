"""Reading a checkpoint into a model, and writing a model as a checkpoint: one format in and out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from models.errors import BadInputError
from models.wav2vec2.config import Wav2Vec2Config
from models.wav2vec2.safetensors_file import SafetensorsFile, write_safetensors
from models.wav2vec2.tensor_names import named_tensors

logger = logging.getLogger(__name__)


class TensorSource(Protocol):
    """Tensors by key, wherever they are kept."""

    def keys(self) -> list[str]: ...

    def shape(self, key: str) -> tuple[int, ...]: ...

    def read(self, key: str) -> np.ndarray: ...


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds, before a model is built of it."""

    path: str
    config: Wav2Vec2Config
    tensors: TensorSource


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Find the config and the tensors of a checkpoint; tensors are read later, one by one."""
    folder = str(path)
    config_file = f"{folder}/config.json"
    if not tf.io.gfile.exists(config_file):
        raise BadInputError(f"There is no {config_file}: name the folder of a checkpoint.")
    with tf.io.gfile.GFile(config_file) as file:
        config = Wav2Vec2Config.from_text(file.read(), config_file)
    weights = f"{folder}/model.safetensors"
    if not tf.io.gfile.exists(weights):
        raise BadInputError(
            f"There is no model.safetensors in {folder}: fetch the checkpoint again."
        )
    return Checkpoint(folder, config, SafetensorsFile(weights))


def load_model(
    model_class: Any,
    path: str | Path,
    *,
    new_head: bool,
    seed: int | None,
    dtype: str | None,
    changes: Mapping[str, Any],
) -> Any:
    """Build a model and give every variable its tensor; what is missing is refused by name."""
    checkpoint = open_checkpoint(path)
    config = checkpoint.config.replace(**changes)
    model = model_class(config, seed=seed, dtype=dtype)
    named = named_tensors(model)
    if new_head:
        named = [tensor for tensor in named if not tensor.key.startswith("lm_head.")]
    missing = sorted({tensor.key for tensor in named} - set(checkpoint.tensors.keys()))
    if missing:
        raise BadInputError(f"{path} lacks {', '.join(missing)}.")
    for tensor in named:
        value = checkpoint.tensors.read(tensor.key)
        if value.shape != tensor.shape:
            raise BadInputError(
                f"{tensor.key} in {path} has shape {value.shape}, not {tensor.shape}."
            )
        tensor.variable.assign(tensor.to_variable(value))
    return model


def save_model(model: Any, path: str | Path) -> None:
    """Write `config.json` and `model.safetensors` into the folder `path`."""
    folder = str(path)
    tf.io.gfile.makedirs(folder)
    named = named_tensors(model)
    tensors = [(tensor.key, tensor.shape, tensor.to_checkpoint) for tensor in named]
    write_safetensors(f"{folder}/model.safetensors", tensors)
    with tf.io.gfile.GFile(f"{folder}/config.json", "w") as file:
        file.write(model.config.to_json(type(model).__name__))
