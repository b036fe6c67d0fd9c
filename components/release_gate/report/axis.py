"""Where a number stands on a chart: a linear scale with round ticks, in percent of its length.

>>> axis = Axis.over([0.01, 0.034])
>>> axis.ticks, axis.at(0.02)
((0.0, 0.01, 0.02, 0.03, 0.04), '50.00%')
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

OUTLIER = 5.0  # so many times the rate beside which it stands
TICKS = 5
SMALLEST_SPAN = 0.001  # a tenth of a point: less is not worth a picture
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """A linear scale; what lies outside is drawn at its ends."""

    low: float
    high: float
    ticks: tuple[float, ...]

    @classmethod
    def over(cls, values: Iterable[float], from_zero: bool = True) -> Axis:
        """A scale that holds all the values, ending at round numbers."""
        known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        least, most = min(known), max(known)
        least = min(least, 0.0) if from_zero else least
        most = max(most, least + SMALLEST_SPAN)
        step = _round_step((most - least) / TICKS)
        first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
        places = tuple(round(place * step, 12) for place in range(first, last + 1))
        return cls(places[0], places[-1], places)

    def at(self, value: float) -> str:
        """The place of a value, as CSS and SVG have it."""
        return f"{100 * self._share(value):.2f}%"

    def up(self, value: float) -> str:
        """The same from below, where the picture counts from above."""
        return f"{100 - 100 * self._share(value):.2f}%"

    def length(self, start: float, end: float) -> str:
        """How far two values stand apart."""
        return f"{100 * abs(self._share(end) - self._share(start)):.2f}%"

    def ends_before(self, value: float) -> bool:
        """Whether a value lies beyond the scale's end."""
        return value > self.high * (1 + 1e-9)

    def _share(self, value: float) -> float:
        if math.isnan(value):
            return 0.0
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


class HasInterval(Protocol):
    """An error rate with the upper end of its interval."""

    @property
    def wer(self) -> float: ...

    @property
    def wer_high(self) -> float: ...


def rate_axis(rates: Iterable[HasInterval], beside: float) -> Axis:
    """A scale for error rates with their intervals beside one that they are compared with.

    It ends at five times that one, lest an outlier flatten all the others.
    """
    limit = OUTLIER * beside if beside > 0 else math.inf
    near = [rate for rate in rates if rate.wer <= limit]
    return Axis.over(min(max(rate.wer, rate.wer_high), limit) for rate in near)


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5 or 5 times a power of ten that is not below."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in STEPS if step * power >= least * (1 - 1e-9))
