"""Going on from an earlier run's trained model: its letters keep their rows of the head.

A run that learns its alphabet counts letters by how often they occur, so the next span of data
brings them in another order, brings new ones and lacks rare ones. The letters that a model writes
already stay where they are, also those that a span lacks; new ones get rows of their own.
"""

from __future__ import annotations

import json

import numpy as np

from models import filesystem
from models.vocabulary import Vocabulary
from models.wav2vec2 import Wav2Vec2ForCTC
from models.wav2vec2.checkpoint_files import open_checkpoint

# Beside the weights of a base model that an earlier run has trained.
WARM_START_FILE = "warm_start.json"


def mark_warm_start(folder: str, trained_model: str) -> None:
    """Let a base model say which trained model it is."""
    text = json.dumps({"trained_model": trained_model}, indent=1)
    filesystem.write_text(filesystem.join(folder, WARM_START_FILE), text)


def carried_alphabet(base_model: str) -> Vocabulary | None:
    """The alphabet to go on with; None where the base model is a checkpoint from outside."""
    if not filesystem.exists(filesystem.join(base_model, WARM_START_FILE)):
        return None
    return Vocabulary.from_folder(base_model)


def keep_head_rows(model: Wav2Vec2ForCTC, base_model: str) -> None:
    """Give the first tokens of a new head the rows that they have in the base model."""
    tensors = open_checkpoint(base_model).tensors
    kernel, bias = model.lm_head.get_weights()
    old = tensors["lm_head.bias"].tensor.read()
    kernel[:, : len(old)] = np.transpose(tensors["lm_head.weight"].tensor.read())
    bias[: len(old)] = old
    model.lm_head.set_weights([kernel, bias])
