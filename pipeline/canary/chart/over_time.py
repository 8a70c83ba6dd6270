"""A comparison of canary and baseline over time, as values: what the funnel shows."""

from __future__ import annotations

from dataclasses import dataclass
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
