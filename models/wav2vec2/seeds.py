"""Where randomness comes from: one seed from the caller, one number drawn for each use of it."""

from __future__ import annotations

import random


class Seeds:
    """Draws a distinct seed per layer, the same ones in every run for the same `seed`.

    >>> first, again = Seeds(1), Seeds(1)
    >>> first.draw() == again.draw()
    True
    """

    def __init__(self, seed: int | None = None) -> None:
        self._source = random.Random(seed)

    def draw(self) -> int:
        return self._source.getrandbits(31)
