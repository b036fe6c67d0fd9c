"""Wav2Vec2 in TensorFlow: faithful to the PyTorch reference, convertible, padding-invariant.

>>> from models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC
>>> model = Wav2Vec2ForCTC(Wav2Vec2Config(num_hidden_layers=2), seed=0)
>>> model.save_pretrained("/tmp/w2v")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from models.wav2vec2.config import Wav2Vec2Config

if TYPE_CHECKING:
    from models.wav2vec2.ctc import ctc_loss
    from models.wav2vec2.model import Wav2Vec2ForCTC, Wav2Vec2Model
    from models.wav2vec2.pretraining import Wav2Vec2ForPreTraining

# TensorFlow takes seconds to import, so what needs it is imported when it is first asked for:
# a reader of config.json alone never pays.
_HOME = {
    "Wav2Vec2Model": "models.wav2vec2.model",
    "Wav2Vec2ForCTC": "models.wav2vec2.model",
    "Wav2Vec2ForPreTraining": "models.wav2vec2.pretraining",
    "ctc_loss": "models.wav2vec2.ctc",
}

__all__ = [
    "Wav2Vec2Config",
    "Wav2Vec2ForCTC",
    "Wav2Vec2ForPreTraining",
    "Wav2Vec2Model",
    "ctc_loss",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'models.wav2vec2' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
