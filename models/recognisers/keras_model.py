"""The Keras model itself: the yardstick that every exported artifact is held against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from models.export.saved_model import ServingModule
from models.padding_mask import Mask
from models.processor import Processor
from models.recognisers import Recognition
from models.recognisers.saved_model import recognitions
from models.wav2vec2 import Wav2Vec2ForCTC


class KerasRecogniser:
    """Any batch, any length."""

    static_lengths = None

    def __init__(self, module: ServingModule) -> None:
        self._module = module
        self.vocabulary = module.processor.vocabulary

    @classmethod
    def from_checkpoint(cls, folder: str | Path) -> KerasRecogniser:
        """A checkpoint folder in Hugging Face layout."""
        model = Wav2Vec2ForCTC.from_pretrained(folder)
        return cls(ServingModule(model, Processor.from_pretrained(folder)))

    def recognise(
        self, waveforms: np.ndarray, lengths: np.ndarray, mask: Mask = "full"
    ) -> list[Recognition]:
        run = self._module.by_mask[mask]
        return recognitions(run(tf.constant(waveforms, tf.float32), tf.constant(lengths, tf.int32)))
