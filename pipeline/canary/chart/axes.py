"""Axes: from values to pixels, and where to write which value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from canary.chart.svg import Dot

TOO_LITTLE = 1e-9
"""Values that lie closer together are one value."""


@dataclass(frozen=True)
class Scale:
    """Where values lie in a picture.

    Attributes:
        low: the value at `start`.
        high: the value at `end`, above `low`.
        start: pixels.
        end: pixels.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value, at the nearer end if it lies outside."""
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)

    def has(self, value: float) -> bool:
        """Return whether a value lies between both ends."""
        slack = (self.high - self.low) * TOO_LITTLE
        return self.low - slack <= value <= self.high + slack


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values between two values, at most so many."""
    step = _step((high - low) / max(1, most))
    first, last = math.ceil(low / step - TOO_LITTLE), math.floor(high / step + TOO_LITTLE)
    return [round(n * step, 12) for n in range(first, last + 1)]


def ratio_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values on a logarithmic axis, at most so many; 1 is one of them if it lies on the axis."""
    if high / low < 3:
        return ticks(low, high, most)
    for kept in ((1, 2, 5), (1, 3), (1,)):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [one * 10.0**power for power in powers for one in kept]
        found = [one for one in found if low <= one <= high]
        if len(found) <= most:
            return found
    every = math.ceil(len(found) / most)
    return [one for one in found if round(math.log10(one)) % every == 0]


def decimals(values: Sequence[float]) -> int:
    """Return how many decimals tell the values of an axis apart."""
    step = min((b - a for a, b in pairwise(values)), default=abs(values[0]) if values else 1.0)
    return min(8, max(0, -math.floor(math.log10(step) + TOO_LITTLE))) if step > 0 else 0


@dataclass(frozen=True)
class Unit:
    """A unit of time.

    Attributes:
        name: in the plural.
        seconds: of one.
        up_to: seconds on an axis in this unit, at most.
        steps: between two values on an axis, in this unit.
    """

    name: str
    seconds: float
    up_to: float
    steps: tuple[float, ...]


UNITS = (
    Unit("seconds", 1.0, 120.0, (1, 2, 5, 10, 20, 30)),
    Unit("minutes", 60.0, 7200.0, (0.5, 1, 2, 5, 10, 15, 20, 30)),
    Unit("hours", 3600.0, 172800.0, (0.5, 1, 2, 3, 4, 6, 12)),
    Unit("days", 86400.0, math.inf, (1, 2, 5, 10, 20, 50, 100)),
)


def unit_of(seconds: float) -> Unit:
    """Return the unit for an axis of so many seconds: seconds up to two minutes, minutes up to two hours."""
    return next(one for one in UNITS if seconds <= one.up_to)


def time_ticks(seconds: float, most: int) -> list[float]:
    """Return round times from 0 to so many seconds, in seconds, at most so many of them besides 0."""
    unit = unit_of(seconds)
    span = seconds / unit.seconds
    step = next((one for one in unit.steps if span / one <= most), _step(span / max(1, most)))
    return [n * step * unit.seconds for n in range(math.floor(span / step + TOO_LITTLE) + 1)]


def within(dots: Sequence[tuple[float, float]], low: float, high: float) -> list[tuple[float, float]]:
    """Return a line through points of finite values, cut at a lower and an upper value, and bent where it crosses."""
    found: list[Dot] = []
    for (x1, y1), (x2, y2) in pairwise(dots):
        found.append((x1, y1))
        crossings = [(edge - y1) / (y2 - y1) for edge in (low, high) if (y1 - edge) * (y2 - edge) < 0]
        found += [(x1 + part * (x2 - x1), y1 + part * (y2 - y1)) for part in sorted(crossings)]
    return [(x, min(max(y, low), high)) for x, y in [*found, *dots[-1:]]]


def _step(least: float) -> float:
    """Return the smallest round step that is not smaller."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(one * power for one in (1, 2, 5, 10) if one * power >= least * (1 - TOO_LITTLE))
