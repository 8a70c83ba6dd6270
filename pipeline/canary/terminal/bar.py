"""The difference between canary and baseline as a drawing: its interval against the tolerance."""

import math

from rich.text import Text

from canary.terminal.lines import COLOURS
from canary.verdict.rule import Comparison

SCALES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def bar(comparison: Comparison, width: int) -> Text:
    """Return a line of `width` characters: the interval, the limit of the tolerance and zero on one scale.

    The scale is symmetric, with its size in points at both ends. The part beyond the tolerance is shaded.
    """
    shade, line, left, right, dot, edge, zero = "░─├┤●┃│"
    low, high = comparison.interval
    tolerance = comparison.tolerance or 0.0
    reach = max(tolerance * 1.5, min(1.0, max(-low, high)))
    scale = next(scale for scale in SCALES if scale >= min(reach, 1.0))
    ends = [f"{sign}{scale * 100:g}" for sign in "−+"]
    cells = max(11, (width - sum(map(len, ends)) - 3) | 1)  # an odd number has a middle

    def place(share: float) -> int:
        return round((max(-scale, min(scale, share)) + scale) / (2 * scale) * (cells - 1))

    drawn = [(" ", "")] * cells
    if comparison.tolerance is not None:
        for cell in range(place(-tolerance)):
            drawn[cell] = (shade, "red dim")
    drawn[place(0.0)] = (zero, "dim")
    if comparison.difference is not None:
        colour = COLOURS[comparison.decision]
        first, last = place(low), place(high)
        for cell in range(first, last + 1):
            drawn[cell] = (line, colour)
        if low >= -scale:
            drawn[first] = (left, colour)
        if high <= scale:
            drawn[last] = (right, colour)
        drawn[place(comparison.difference)] = (dot, f"bold {colour}")
    if comparison.tolerance is not None:
        at = place(-tolerance)
        drawn[at] = (edge if drawn[at][0] != dot else dot, "red")
    return Text.assemble(f"{ends[0]} ", *drawn, f" {ends[1]}")


def signed(share: float, decimals: int) -> str:
    """Return a difference in points, with its sign."""
    points = round(share * 100, decimals)
    return f"{'−' if points < 0 else '+'}{math.fabs(points):.{decimals}f}"
