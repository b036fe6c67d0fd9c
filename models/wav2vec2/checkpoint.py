"""Reading a checkpoint into a model, and writing a model as a checkpoint: one format in and out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from models import filesystem
from models.processor import copy_processor_files
from models.vocabulary import VOCABULARY_FILE, Vocabulary
from models.wav2vec2.assignment import CTC_HEAD, MASK_EMBEDDING, PRETRAINING_HEADS, assign
from models.wav2vec2.checkpoint_files import Checkpoint, open_checkpoint
from models.wav2vec2.safetensors_file import write_safetensors
from models.wav2vec2.tensor_names import named_tensors

logger = logging.getLogger(__name__)


def load_model(
    model_class: Any,
    path: str | Path,
    *,
    new_head: bool,
    seed: int | None,
    dtype: str | None,
    changes: Mapping[str, Any],
) -> Any:
    """Build a model and give every variable its tensor; what does not fit is refused by name.

    Heads of other tasks are left out where there is no doubt that this is meant: for the bare
    trunk, and for a CTC model whose head is to start afresh.
    """
    checkpoint = open_checkpoint(path)
    model = model_class(checkpoint.config.replace(**changes), seed=seed, dtype=dtype)
    # The mask's vector serves training only: whether it is there follows the masking settings.
    may_lack: tuple[str, ...] = (MASK_EMBEDDING,)
    may_leave_out = may_lack
    if new_head or not hasattr(model, "wav2vec2"):
        may_leave_out += PRETRAINING_HEADS if new_head else CTC_HEAD + PRETRAINING_HEADS
    report = assign(
        model,
        checkpoint,
        may_leave_out=may_leave_out,
        may_lack=may_lack,
        afresh=CTC_HEAD if new_head else (),
    )
    for what, names in (("left out", report.left_out), ("initialised", report.initialised)):
        if names:
            logger.info("%s: %s %s", path, what, ", ".join(names))
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


def save_processor(checkpoint: Checkpoint, path: str | Path) -> Vocabulary | None:
    """Write what stands around the network beside the model; its vocabulary, if it has one."""
    folder = str(path)
    if checkpoint.processor is not None:
        checkpoint.processor.save_pretrained(folder)
        return checkpoint.processor.vocabulary
    copy_processor_files(checkpoint.path, folder)
    has_vocabulary = filesystem.exists(filesystem.join(folder, VOCABULARY_FILE))
    return Vocabulary.from_folder(folder) if has_vocabulary else None
