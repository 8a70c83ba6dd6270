"""The difference between canary and baseline as a drawing: its interval against the tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rich.text import Text

from canary.terminal.lines import COLOURS
from canary.verdict.comparison import Comparison
from canary.verdict.tolerance import Multiple

SCALES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
RATIOS = (2.0, 4.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True)
class _Drawn:
    """What is drawn: numbers on a scale from `-size` (worse) to `size` (better).

    Attributes:
        low: lower end of the interval.
        found: the observed value, None without one.
        high: upper end of the interval.
        edge: where the tolerance ends, None without one.
        size: of the scale, on each side of zero.
        ends: what stands at its ends.
    """

    low: float
    found: float | None
    high: float
    edge: float | None
    size: float
    ends: tuple[str, str]


def bar(comparison: Comparison, width: int) -> Text:
    """Return a line of `width` characters: the interval, the limit of the tolerance and zero on one scale.

    The scale is symmetric, with its size at both ends: in points, or with a relative tolerance as a factor, on a
    logarithmic scale. The part beyond the tolerance is shaded.
    """
    shade, line, left, right, dot, edge, zero = "░─├┤●┃│"
    of = _differences(comparison)
    cells = max(11, (width - sum(map(len, of.ends)) - 3) | 1)  # an odd number has a middle

    def place(value: float) -> int:
        return round((max(-of.size, min(of.size, value)) + of.size) / (2 * of.size) * (cells - 1))

    drawn = [(" ", "")] * cells
    if of.edge is not None:
        for cell in range(place(of.edge)):
            drawn[cell] = (shade, "red dim")
    drawn[place(0.0)] = (zero, "dim")
    if of.found is not None:
        colour = COLOURS[comparison.decision]
        first, last = place(of.low), place(of.high)
        for cell in range(first, last + 1):
            drawn[cell] = (line, colour)
        if of.low >= -of.size:
            drawn[first] = (left, colour)
        if of.high <= of.size:
            drawn[last] = (right, colour)
        drawn[place(of.found)] = (dot, f"bold {colour}")
    if of.edge is not None:
        at = place(of.edge)
        drawn[at] = (edge if drawn[at][0] != dot else dot, "red")
    return Text.assemble(f"{of.ends[0]} ", *drawn, f" {of.ends[1]}")


def signed(share: float, decimals: int) -> str:
    """Return a difference in points, with its sign."""
    points = round(share * 100, decimals)
    return f"{'−' if points < 0 else '+'}{math.fabs(points):.{decimals}f}"


def _differences(comparison: Comparison) -> _Drawn:
    tolerance = comparison.tolerance
    if isinstance(tolerance, Multiple):
        return _ratios(comparison, tolerance)
    low, high = comparison.interval
    reach = max((tolerance or 0.0) * 1.5, min(1.0, max(-low, high)))
    size = next(size for size in SCALES if size >= min(reach, 1.0))
    edge = None if tolerance is None else -tolerance
    return _Drawn(low, comparison.difference, high, edge, size, (f"−{size * 100:g}", f"+{size * 100:g}"))


def _ratios(comparison: Comparison, tolerance: Multiple) -> _Drawn:
    """Return the logarithms of the ratios of errors: fewer errors than the baseline's are on the right."""
    low, high = comparison.ratio_interval
    reach = max(tolerance.times**1.5, high, 1 / low if low else math.inf)
    factor = next((factor for factor in RATIOS if factor >= reach), RATIOS[-1])
    worst, best = (-math.log(end) if end else math.inf for end in (high, low))
    found = None
    if comparison.ratio is not None:
        found = -math.log(comparison.ratio) if comparison.ratio else math.inf
    ends = f"×{factor:g}", f"÷{factor:g}"
    return _Drawn(worst, found, best, -math.log(tolerance.times), math.log(factor), ends)
