"""One value of every variant over time, on one axis: the share of good answers, or the requests per second.

Two axes would hide what the picture is for: that one variant differs from the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from canary.chart import axes, svg
from canary.chart.frame import BESIDE, MARGIN, ROW, Frame, key, key_rows, row, time_axis, value_axis
from canary.marks import Variant

Unit = Literal["share", "rate"]
"""Shares in 0–1, shown in percent; or requests per second."""

PIXELS = 3.0
"""Pixels from one point to the next, at least."""

MOST = 1e12
"""Requests per second that are shown at most."""

ALIKE = 1e-4
"""Points that are no difference: then the axis shows a point on either side."""

NARROW = 480
"""Pixels of a picture below which the names of the lines stand below it, instead of beside it."""


@dataclass(frozen=True)
class Line:
    """One variant over time.

    Attributes:
        variant: which.
        points: Unix seconds and value, oldest first; None where there is no value.
        overall: the value of the whole time, which is then written beside the line; None for the last value.
    """

    variant: Variant
    points: tuple[tuple[float, float | None], ...]
    overall: float | None = None


@dataclass(frozen=True)
class Lines:
    """Every variant over time.

    Attributes:
        lines: those with counts.
        unit: of the values.
        meaning: what the values are, in many words and in fewer.
        began: Unix seconds when the time on the axis begins, None for the first point.
    """

    lines: tuple[Line, ...]
    unit: Unit
    meaning: tuple[str, ...]
    began: float | None = None


def draw_lines(
    lines: Lines,
    *,
    width: float = 720,
    height: float = 220,
    title: str,
    description: str = "",
    standalone: bool = False,
) -> str:
    """Return the picture as SVG.

    Args:
        lines: what to draw.
        width: pixels, 280 at least.
        height: pixels, 140 at least.
        title: what it shows, for those who do not see it.
        description: what it says, for those who do not see it; empty for the last value of each line.
        standalone: whether it has its own stylesheet, for a file of its own.
    """
    lines = replace(lines, lines=tuple(_drawable(one, lines.unit) for one in lines.lines))
    low, high = _visible(lines)
    ticks = axes.ticks(low, high, max(3, int((height - 90) / 34)))
    digits, percent = axes.decimals(ticks), lines.unit == "share"
    labels = [(one, f"{one:,.{digits}f}{' %' if percent else ''}") for one in ticks]
    shown = [one for one in lines.lines if any(value is not None for _, value in one.points)]
    names = [f"{one.variant} {_label(lines, one, digits)}" for one in shown]
    is_narrow = width < NARROW
    frame = Frame.around(
        width,
        height,
        above=1,
        below=key_rows(names, width) if is_narrow else 0,
        labels=[label for _, label in labels],
        beside=0.0 if is_narrow else 9 + max((svg.room_for(name, bold=True) for name in names), default=0.0),
    )
    y = axes.Scale(low, high, frame.bottom, frame.top)
    times = [at for one in lines.lines for at, _ in one.points]
    began = min(times, default=0.0) if lines.began is None else lines.began
    x = axes.Scale(0.0, max([10.0, *(at - began for at in times)]), frame.left, frame.right)
    meaning = svg.text(MARGIN, row(0), svg.fitting(lines.meaning, width - 2 * MARGIN), "quiet")
    parts = [meaning, *value_axis(frame, y, labels), *time_axis(frame, x)]
    for one in reversed(shown):  # a dashed line above a solid one, so that both can be seen
        parts += _drawn(one, x, y, began, percent=percent)
    if is_narrow:
        samples = [svg.line(0, 0, 20, 0, f"line {one.variant}") + _mark(10, 0, one.variant) for one in shown]
        parts += key(frame, list(zip(samples, names, strict=True)))
    else:
        places = _apart([y(_latest(one) * (100 if percent else 1)) for one in shown], frame.top + 8, frame.bottom - 2)
        for one, name, place in zip(shown, names, places, strict=True):
            parts.append(_mark(frame.right + BESIDE, place, one.variant))
            parts.append(svg.text(frame.right + BESIDE + 9, place + 4, name, f"strong {one.variant}"))
    if not shown:
        middle = (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2
        parts.append(svg.text(*middle, "nothing was counted yet", "middle"))
    said = f"{lines.meaning[0]}: {', '.join(names)}." if names else "Nothing was counted yet."
    return svg.picture(
        parts,
        kind="lines",
        width=width,
        height=height,
        title=title,
        description=description or said,
        standalone=standalone,
    )


def _drawable(one: Line, unit: Unit) -> Line:
    """Return the line with no value in place of one that cannot be drawn, and no value outside its range."""
    most = 1.0 if unit == "share" else MOST
    points = [
        (at, None if value is None or not math.isfinite(value) else min(max(value, 0.0), most))
        for at, value in one.points
    ]
    return replace(one, points=tuple(points))


def _visible(lines: Lines) -> tuple[float, float]:
    """Return both ends of the axis: 0 and more for rates, for shares what all of them need."""
    values = [value for one in lines.lines for _, value in one.points if value is not None]
    if lines.unit == "rate":
        return 0.0, 1.1 * max(values, default=0.0) or 1.0
    low, high = (100 * one for one in (min(values, default=0.0), max(values, default=1.0)))
    margin = (high - low) * 0.12 if high - low > ALIKE else 1.0
    return max(0.0, low - margin), min(100.0, high + margin)


def _drawn(one: Line, x: axes.Scale, y: axes.Scale, began: float, *, percent: bool) -> list[str]:
    slots: dict[int, tuple[float, float | None]] = {}
    for at, value in one.points:
        slots[int(x(at - began) / PIXELS)] = at, value
    parts = []
    for is_there, run in groupby(slots.values(), key=lambda point: point[1] is not None):
        if is_there:
            dots = [(x(at - began), y((value or 0.0) * (100 if percent else 1))) for at, value in run]
            if len(dots) > 1:
                parts.append(svg.path(dots, f"line {one.variant}"))
            parts.append(_mark(*dots[-1], one.variant))
    return parts


def _latest(one: Line) -> float:
    return next((value for _, value in reversed(one.points) if value is not None), 0.0)


def _label(lines: Lines, one: Line, digits: int) -> str:
    value = _latest(one) if one.overall is None else one.overall
    return f"{value * 100:.{max(1, digits)}f} %" if lines.unit == "share" else f"{value:,.{1 if value < 100 else 0}f}"


def _mark(x: float, y: float, variant: Variant) -> str:
    """Return the shape of a variant: a disc for canary, a square for baseline, a triangle for stable."""
    if variant is Variant.CANARY:
        return svg.element("circle", cx=x, cy=y, r=4.5, class_="mark canary")
    if variant is Variant.BASELINE:
        return svg.rectangle(x - 4, y - 4, 8, 8, "mark baseline")
    return svg.path([(x, y - 5), (x + 5, y + 4), (x - 5, y + 4)], "mark stable", closed=True)


def _apart(places: Sequence[float], top: float, bottom: float) -> list[float]:
    """Return places of texts near the wanted ones, far enough apart to be read."""
    found = dict.fromkeys(range(len(places)), 0.0)
    last = top - ROW
    for place in sorted(found, key=lambda one: places[one]):
        last = found[place] = max(places[place], last + ROW)
    over = last - bottom
    if over > 0:
        limit = bottom
        for place in sorted(found, key=lambda one: -found[one]):
            found[place] = min(found[place], limit)
            limit = found[place] - ROW
    return list(found.values())
