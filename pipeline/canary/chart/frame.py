"""What every picture over time has around its plot: lines of text above it, axes, and a key below it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from canary.chart import svg
from canary.chart.axes import Scale, decimals, time_ticks, unit_of

ROW = 17.0
"""Pixels from one line of text to the next."""

MARGIN = 6.0
"""Pixels around the picture."""

BESIDE = 14.0
"""Pixels between the plot and the texts on its right."""

GAP = 16.0
"""Pixels between two texts in a row."""

SWATCH = 26.0
"""Pixels of the sample in front of an entry of the key."""


@dataclass(frozen=True)
class Frame:
    """Where the parts of a picture are, in pixels.

    Attributes:
        width: of the picture.
        height: of the picture.
        left: where the plot begins.
        right: where it ends.
        top: where it begins.
        bottom: where it ends.
    """

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float

    @classmethod
    def around(
        cls, width: float, height: float, *, above: int, below: int, labels: Iterable[str], beside: float
    ) -> Frame:
        """Return the frame with room for texts.

        Args:
            width: of the picture.
            height: of the picture.
            above: lines of text above the plot.
            below: lines of the key below the time.
            labels: of the values on the left.
            beside: pixels of the texts on the right.
        """
        left = MARGIN + 6 + max(map(svg.room_for, labels), default=0.0)
        right = width - MARGIN - BESIDE - beside
        top = MARGIN + above * ROW + 6
        bottom = height - MARGIN - (below + 2) * ROW - 2
        return cls(width, height, left, max(right, left + 40), top, max(bottom, top + 40))

    @property
    def plot_width(self) -> float:
        """Return the pixels from left to right."""
        return self.right - self.left


def wrapped(parts: Sequence[str], room: float, *, lead: float = 0.0) -> list[list[tuple[float, str]]]:
    """Return rows of texts that fit into some pixels, each text with its place from the left.

    Args:
        parts: texts that stay in one piece; one that is too long is shortened.
        room: pixels of a row.
        lead: pixels in front of each text.
    """
    rows: list[list[tuple[float, str]]] = []
    at = 0.0
    for part in parts:
        words = svg.shortened(part, room - lead)
        need = lead + svg.room_for(words)
        if not rows or at + need > room:
            rows.append([])
            at = 0.0
        rows[-1].append((at, words))
        at += need + GAP
    return rows


def row(place: int) -> float:
    """Return the pixel on which the letters of a row of text above the plot stand; the first row is 0."""
    return MARGIN + (place + 1) * ROW - 4


def key(frame: Frame, entries: Sequence[tuple[str, str]]) -> list[str]:
    """Return the key at the bottom.

    Args:
        frame: of the picture.
        entries: each a sample, drawn from (0, 0) to (20, 0), and its text.
    """
    rows = wrapped([words for _, words in entries], frame.width - 2 * MARGIN, lead=SWATCH)
    samples, parts = iter(sample for sample, _ in entries), []
    for place, row in enumerate(rows):
        y = frame.height - MARGIN - (len(rows) - place - 1) * ROW - 3
        for at, words in row:
            x = MARGIN + at
            parts.append(svg.element("g", next(samples), transform=f"translate({svg.number(x)} {svg.number(y - 4)})"))
            parts.append(svg.text(x + SWATCH, y, words))
    return parts


def key_rows(entries: Sequence[str], width: float) -> int:
    """Return how many rows the key has."""
    return len(wrapped(entries, width - 2 * MARGIN, lead=SWATCH))


def time_axis(frame: Frame, x: Scale) -> list[str]:
    """Return the axis below the plot: time since the release began. The scale is in seconds."""
    unit = unit_of(x.high)
    at = time_ticks(x.high, max(2, int(frame.plot_width / 70)))
    digits = decimals([one / unit.seconds for one in at])
    below = frame.bottom + 4 + ROW - 4
    parts = [svg.line(frame.left, frame.bottom, frame.right, frame.bottom, "axis")]
    for one in at:
        parts.append(svg.line(x(one), frame.bottom, x(one), frame.bottom + 4, "axis"))
        parts.append(svg.text(x(one), below, f"{one / unit.seconds:.{digits}f}", "quiet middle"))
    label = f"{unit.name} since the release began"
    parts.append(svg.text((frame.left + frame.right) / 2, below + ROW - 2, label, "quiet middle"))
    return parts


def value_axis(frame: Frame, y: Scale, labels: Iterable[tuple[float, str]]) -> list[str]:
    """Return lines across the plot, and the value of each on the left."""
    parts = []
    for value, label in labels:
        parts.append(svg.line(frame.left, y(value), frame.right, y(value), "grid"))
        parts.append(svg.text(frame.left - 6, y(value) + 4, label, "quiet end"))
    return parts


def elapsed(seconds: float) -> str:
    """Return a duration for a person, in its two largest units: `45 s`, `4 min 30 s`, `1 h 5 min`."""
    left = max(0, round(seconds))
    if left >= 3600:
        left = round(left / 60) * 60
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
