"""A comparison of canary and baseline over time, as values: what the funnel shows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from canary.verdict.comparison import Decision
from canary.verdict.forecast import Forecast
from canary.verdict.tolerance import Multiple, Tolerance

Kind = Literal["difference", "ratio"]
"""What is shown: canary − baseline in shares of good answers, or the canary's errors ÷ the baseline's."""


@dataclass(frozen=True)
class Point:
    """What one look said.

    Attributes:
        at: Unix seconds.
        middle: canary − baseline as a share in −1–1, or a ratio of errors; None where there is none.
        low: lower end of the interval.
        high: upper end of the interval; infinite for a ratio without errors of the baseline.
    """

    at: float
    middle: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Funnel:
    """A comparison over time.

    Attributes:
        points: oldest first.
        tolerance: how much worse the canary may be, None where none is set.
        kind: what the points are.
        decided: Unix seconds, and the decision of this comparison; None while there is none.
        expected: the decision to expect; None if there is one, or if that cannot be said.
        acted: Unix seconds, and what was done: `promoted by ada`; None if nothing was.
        began: Unix seconds when the time on the axis begins, None for the first point.
    """

    points: tuple[Point, ...]
    tolerance: Tolerance | None
    kind: Kind = "difference"
    decided: tuple[float, Decision] | None = None
    expected: Forecast | None = None
    acted: tuple[float, str] | None = None
    began: float | None = None

    @property
    def edge(self) -> float | None:
        """Return the tolerance as a value on the axis: −0.05 for five points, 1.5 for `1.5x`."""
        if isinstance(self.tolerance, Multiple):
            return self.tolerance.times if self.kind == "ratio" else None
        return None if self.tolerance is None or self.kind == "ratio" else -self.tolerance

    def drawable(self, most: int) -> Funnel:
        """Return the funnel without what cannot be drawn: times and values that are not numbers, and too many points.

        Of the points in one of so many equal times it keeps the last one, and the first of all.
        """
        points = [one for one in self.points if math.isfinite(one.at)]
        if points:
            first, seconds = points[0], (points[-1].at - points[0].at) / most
            slots = {int((one.at - first.at) / seconds) if seconds > 0 else 0: one for one in points}
            points = [first, *(one for one in slots.values() if one is not first)]
        return replace(self, points=tuple(_drawable(one, self.kind) for one in points))


def _drawable(one: Point, kind: Kind) -> Point:
    least, most = (-1.0, 1.0) if kind == "difference" else (0.0, math.inf)
    middle = None if one.middle is None or not math.isfinite(one.middle) else min(max(one.middle, least), most)
    low = least if math.isnan(one.low) else min(max(one.low, least), most)
    high = most if math.isnan(one.high) else min(max(one.high, low), most)
    return Point(one.at, middle, low, high)
