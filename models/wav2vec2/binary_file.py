"""What the readers of all checkpoint formats share: numbers that NumPy lacks."""

from __future__ import annotations

import numpy as np


def widen_bfloat16(halves: np.ndarray) -> np.ndarray:
    """bfloat16, given as its 16 bits, to float32: the same bits with zeros behind them."""
    return (halves.astype("<u4") << 16).view("<f4")
