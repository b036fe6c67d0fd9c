"""A checkpoint of any layout in, the Hugging Face layout out, every tensor accounted for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from models.wav2vec2.assignment import (
    CTC_HEAD,
    MASK_EMBEDDING,
    PRETRAINING_HEADS,
    ConversionReport,
    assign,
)
from models.wav2vec2.checkpoint import save_model, save_processor
from models.wav2vec2.checkpoint_files import Checkpoint, open_checkpoint
from models.wav2vec2.model import Wav2Vec2ForCTC, Wav2Vec2Model
from models.wav2vec2.pretraining import Wav2Vec2ForPreTraining


def convert(path: str | Path, to: str | Path) -> ConversionReport:
    """Write the checkpoint at `path` in the Hugging Face layout; nothing may be left over.

    The model is the one whose tensors the checkpoint holds: with a CTC head, with the heads of
    pretraining, or the bare trunk. The vector that masks frames in training is the exception:
    published recognisers lack it, or hold it though their settings mask nothing.
    """
    checkpoint = open_checkpoint(path)
    model = _model_class(checkpoint)(checkpoint.config, seed=0)
    report = assign(model, checkpoint, may_leave_out=(MASK_EMBEDDING,), may_lack=(MASK_EMBEDDING,))
    save_model(model, to)
    vocabulary = save_processor(checkpoint, to)
    return replace(report, vocabulary=vocabulary.tokens if vocabulary else ())


def _model_class(checkpoint: Checkpoint) -> Any:
    if checkpoint.holds(CTC_HEAD):
        return Wav2Vec2ForCTC
    return Wav2Vec2ForPreTraining if checkpoint.holds(PRETRAINING_HEADS) else Wav2Vec2Model
