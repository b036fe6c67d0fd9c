"""Speech from libespeak-ng, driven by ctypes: the wheel `espeakng-loader` brings it and its voices.

The C library keeps its state in globals: one engine a process, one call at a time.
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from models.errors import BadInputError

# From speak_lib.h.
AUDIO_OUTPUT_SYNCHRONOUS = 2
CHARS_UTF8 = 1
RATE, PITCH, PITCH_RANGE = 1, 3, 4
ALL_DONE = 0
CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@dataclass(frozen=True)
class Voice:
    """An espeak voice: accent (`en-us`), variant (`f2`), words a minute, pitch from 0 to 99."""

    accent: str
    variant: str
    rate: int = 165
    pitch: int = 50
    pitch_range: int = 50


class Engine:
    """The library, loaded and ready: text and a voice in, samples out."""

    def __init__(self) -> None:
        import espeakng_loader

        self._data = Path(espeakng_loader.get_data_path())
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.sample_rate = self._library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, 0, str(self._data.parent).encode(), 0
        )
        self._chunks: list[np.ndarray] = []
        # Kept on the object: C holds a bare pointer, which must outlive every call.
        self._callback = CALLBACK(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)
        self._lock = threading.Lock()

    def speak(self, text: str, voice: Voice) -> np.ndarray:
        """Float32 samples in [-1, 1) at `sample_rate`."""
        with self._lock:
            self._choose(voice)
            self._chunks = []
            spoken = text.encode("utf-8")
            # Breathy variants draw noise from a generator that the library seeds with the time.
            self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
            self._library.espeak_Synth(spoken, len(spoken) + 1, 0, 0, 0, CHARS_UTF8, None, None)
            self._library.espeak_Synchronize()
            samples = np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.int16)
        return samples.astype(np.float32) / 32768

    def _choose(self, voice: Voice) -> None:
        # A variant that is not there is passed over by espeak without a word.
        if not (self._data / "voices" / "!v" / voice.variant).exists():
            raise BadInputError(f"espeak-ng has no voice variant {voice.variant!r}.")
        name = f"{voice.accent}+{voice.variant}"
        if self._library.espeak_SetVoiceByName(name.encode()) != ALL_DONE:
            raise BadInputError(f"espeak-ng has no voice {name!r}.")
        for parameter, value in (
            (RATE, voice.rate),
            (PITCH, voice.pitch),
            (PITCH_RANGE, voice.pitch_range),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)

    def _collect(self, samples, count: int, events) -> int:
        if samples and count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        return 0


@cache
def engine() -> Engine:
    """This process's engine."""
    return Engine()
