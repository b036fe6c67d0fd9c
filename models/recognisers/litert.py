"""A .tflite file, run by LiteRT as a phone would run it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from models import filesystem
from models.errors import BadInputError
from models.padding_mask import Mask
from models.processor import Processor
from models.recognisers import Recognition
from models.recognisers.litert_signatures import signature_name, signature_samples


class LiteRtRecogniser:
    """One utterance at a time, padded to the shortest signature that holds it."""

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        self.vocabulary = Processor.from_pretrained(os.path.dirname(str(path)) or ".").vocabulary
        try:
            # A local file is mapped into memory, not read.
            place = (
                {"model_content": filesystem.read_bytes(path)}
                if filesystem.is_remote(path)
                else {"model_path": os.fspath(path)}
            )
            self._interpreter = Interpreter(**place, num_threads=threads or os.cpu_count())
            signatures = self._interpreter.get_signature_list()
            self.static_lengths = tuple(sorted(signature_samples(name) for name in signatures))
        except ValueError as error:
            raise BadInputError(
                f"{path} is no TFLite recogniser of ours ({error}); give one that the pipeline "
                "exported."
            ) from error

    def recognise(
        self, waveforms: np.ndarray, lengths: np.ndarray, mask: Mask = "full"
    ) -> list[Recognition]:
        if mask != "full":
            raise BadInputError("A TFLite file has no unmasked variant; score it as bucketed.")
        rows = zip(waveforms, lengths, strict=True)
        return [self._recognise_one(waveform[:length]) for waveform, length in rows]

    def _recognise_one(self, waveform: np.ndarray) -> Recognition:
        samples = self._signature_for(len(waveform))
        padded = np.zeros((1, samples), np.float32)
        padded[0, : len(waveform)] = waveform
        runner = self._interpreter.get_signature_runner(signature_name(samples))
        outputs = runner(waveform=padded, length=np.array([len(waveform)], np.int32))
        log_probs = outputs["log_probs"][0][: int(outputs["frame_lengths"][0])]
        return Recognition(self.vocabulary.decode(log_probs.argmax(axis=-1)), log_probs)

    def _signature_for(self, samples: int) -> int:
        for static in self.static_lengths:
            if samples <= static:
                return static
        raise BadInputError(
            f"An utterance of {samples} samples is longer than the model's longest signature "
            f"({self.static_lengths[-1]}); cut it, or export with longer tflite_seconds."
        )
