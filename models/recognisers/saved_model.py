"""The SavedModel, run by TensorFlow's own loader through its serving signatures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from models import filesystem
from models.errors import BadInputError
from models.padding_mask import Mask
from models.processor import Processor
from models.recognisers import Recognition
from models.recognisers.saved_model_signatures import ASSETS, SIGNATURES


class SavedModelRecogniser:
    """Any batch, any length."""

    static_lengths = None

    def __init__(self, folder: str | Path) -> None:
        try:
            self._loaded = tf.saved_model.load(str(folder))
        except (OSError, ValueError) as error:
            raise BadInputError(
                f"{folder} cannot be read as a SavedModel ({error}); give one that the pipeline "
                "exported."
            ) from error
        self.vocabulary = Processor.from_pretrained(filesystem.join(folder, ASSETS)).vocabulary

    def recognise(
        self, waveforms: np.ndarray, lengths: np.ndarray, mask: Mask = "full"
    ) -> list[Recognition]:
        signature = self._loaded.signatures[SIGNATURES[mask]]
        outputs = signature(
            waveforms=tf.constant(waveforms, tf.float32), lengths=tf.constant(lengths, tf.int32)
        )
        return recognitions(outputs)


def recognitions(outputs: dict[str, tf.Tensor]) -> list[Recognition]:
    """A serving signature's outputs, row by row, without the padding frames."""
    return [
        Recognition(text.decode("utf-8"), log_probs[:frames])
        for text, log_probs, frames in zip(
            outputs["text"].numpy(),
            outputs["log_probs"].numpy(),
            outputs["frame_lengths"].numpy(),
            strict=True,
        )
    ]
