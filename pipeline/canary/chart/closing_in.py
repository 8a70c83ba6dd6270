"""The axis of a funnel: the values that it shows, chosen so that one can see the interval close in.

The first intervals are many times as wide as the last one. If all of them were shown, the last one would be a thin
line; so the axis cuts them off. It always shows all of the last interval, the tolerance and equality.

An axis has coordinates: percentage points for a difference, the natural logarithm for a ratio, so that twice and half
the errors are equally far from equality.
"""

from __future__ import annotations

import math

from canary.chart import axes
from canary.chart.over_time import Funnel, Kind
from canary.verdict.tolerance import Multiple

EARLIER = 0.75
"""So much more than what must be seen is shown of earlier intervals on each side, as a part of that."""

CLEARANCE = 0.16
"""Part of the axis between the tolerance and each end, at least: room for the two words beside it."""

FARTHEST = 16.0
"""Logarithm of a ratio; a ratio of 0 is farther."""


def coordinate(value: float, kind: Kind) -> float:
    """Return a value's place on the axis; infinite for a ratio of 0 or without end."""
    if kind == "difference":
        return value * 100
    return math.log(value) if 0 < value < math.inf else math.copysign(math.inf, value - 1)


def visible(funnel: Funnel) -> tuple[float, float]:
    """Return the coordinates of both ends of the axis."""
    kind, edge = funnel.kind, funnel.edge
    lines = [0.0] if edge is None else [0.0, coordinate(edge, kind)]
    ends = [[coordinate(one.low, kind), coordinate(one.high, kind)] for one in funnel.points]
    middles = [coordinate(one.middle, kind) for one in funnel.points if one.middle is not None]
    needed = [*lines, *_finite([*(ends[-1] if ends else []), *middles[-1:]], kind)]
    low, high = min(needed), max(needed)
    if not ends or high - low < axes.TOO_LITTLE:
        reach = max(abs(one) for one in lines) or (1.0 if kind == "difference" else math.log(2))
        low, high = low - reach, high + reach
    beyond = (high - low) * EARLIER
    earlier = _finite([*(one for pair in ends for one in pair), *middles], kind)
    low, high = (
        min(low, max(low - beyond, min(earlier, default=low))),
        max(high, min(high + beyond, max(earlier, default=high))),
    )
    margin = (high - low) * 0.06
    low, high = low - margin, high + margin
    if edge is not None:
        room = (high - low) * CLEARANCE
        low, high = min(low, lines[1] - room), max(high, lines[1] + room)
    return low, high


def labels(funnel: Funnel, low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Return the coordinates of round values between two coordinates, at most so many, and their texts."""
    if funnel.kind == "difference":
        values = axes.ticks(low, high, most)
        digits = axes.decimals(values)
        return [(one, signed(one, digits)) for one in values]
    values = axes.ratio_ticks(math.exp(low), math.exp(high), most)
    return [(math.log(one), f"{one:.6g}x") for one in values]


def signed(points: float, digits: int) -> str:
    """Return points with their sign: `+1.5`, `−0.2`, `0.0`."""
    plain = f"{abs(points):.{digits}f}"
    return plain if float(plain) == 0 else f"{'+' if points > 0 else '−'}{plain}"


def tolerance_text(funnel: Funnel) -> str:
    """Return the tolerance as it is written beside its line: `5 points`, `1.5x`; empty if none is set."""
    if funnel.edge is None:
        return ""
    if isinstance(funnel.tolerance, Multiple):
        return str(funnel.tolerance)
    points = f"{(funnel.tolerance or 0.0) * 100:.6g}"
    return f"{points} {'point' if points == '1' else 'points'}"


def _finite(values: list[float], kind: Kind) -> list[float]:
    most = math.inf if kind == "difference" else FARTHEST
    return [one for one in values if math.isfinite(one) and abs(one) <= most]
