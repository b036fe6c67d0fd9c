"""What the readers of all checkpoint formats share: opening files, and numbers NumPy lacks."""

from __future__ import annotations

from typing import IO, Any

import numpy as np

from models import filesystem


def open_binary(path: str, mode: str = "rb") -> IO[Any]:
    """Open a file on this machine or, through TensorFlow, anywhere it knows (`gs://`, …)."""
    if not filesystem.is_remote(path):
        return open(path, mode)
    from tensorflow.io import gfile  # takes seconds, which a local file must not cost

    return gfile.GFile(path, mode)


def widen_bfloat16(halves: np.ndarray) -> np.ndarray:
    """bfloat16, given as its 16 bits, to float32: the same bits with zeros behind them."""
    return (halves.astype("<u4") << 16).view("<f4")
