"""The funnel: the difference of canary and baseline over time, with its interval that closes in on one side.

The interval is valid at every look. Once all of it lies on one side of the tolerance, there is a decision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise

from canary.chart import svg, words
from canary.chart.axes import Scale, within
from canary.chart.closing_in import coordinate, labels, tolerance_text, visible
from canary.chart.frame import BESIDE, MARGIN, Frame, key, key_rows, row, time_axis, value_axis
from canary.chart.over_time import Funnel, Kind, Point
from canary.chart.svg import Dot
from canary.verdict.comparison import Decision

__all__ = ["Funnel", "Kind", "Point", "draw_funnel"]

PIXELS = 4.0
"""Pixels from one point to the next, at least: more points than these cannot be told apart."""

PAST = 0.3
"""Part of the plot that the past has at least, however far away the expected decision is."""

SHORTEST = 10.0
"""Seconds that the axis shows at least."""

STEPS = 12
"""Points of the expected interval."""


def draw_funnel(
    funnel: Funnel,
    *,
    width: float = 720,
    height: float = 320,
    title: str,
    description: str = "",
    standalone: bool = False,
) -> str:
    """Return the picture as SVG.

    Args:
        funnel: what to draw.
        width: pixels, 280 at least.
        height: pixels, 200 at least.
        title: what it shows, for those who do not see it.
        description: what it says, for those who do not see it; empty for what the funnel says itself.
        standalone: whether it has its own stylesheet, for a file of its own.
    """
    return _Drawing(funnel.drawable(int(width / PIXELS)), width, height).svg(title, description, standalone=standalone)


class _Drawing:
    """One funnel and the scales of its picture."""

    def __init__(self, funnel: Funnel, width: float, height: float) -> None:
        self.funnel, self.kind = funnel, funnel.kind
        self.decision = words.decision_of(funnel)
        first = funnel.points[0].at if funnel.points else 0.0
        self.began = first if funnel.began is None else funnel.began
        self.edge = None if funnel.edge is None else coordinate(funnel.edge, self.kind)
        low, high = visible(funnel)
        self.clipped = any(not low <= one <= high for ends in map(self._ends, funnel.points) for one in ends)
        self.header = self._header(width - 2 * MARGIN)
        self.flags = self._flags()
        self.key = self._key()
        values = labels(funnel, low, high, max(3, int((height - 120) / 34)))
        beside = svg.room_for("equal")
        if self.edge is not None:
            beside = max(svg.room_for("▲ PROMOTE", bold=True) + 5, svg.room_for(tolerance_text(funnel)))
        self.frame = Frame.around(
            width,
            height,
            above=1 + max(place for place, _, _ in self.header) + len(self.flags),
            below=key_rows([name for _, name in self.key], width),
            labels=[name for _, name in values],
            beside=beside,
        )
        self.values = values
        self.y = Scale(low, high, self.frame.bottom, self.frame.top)
        moments = (one[0] for one in (funnel.decided, funnel.acted) if one)
        times = [*(one.at for one in funnel.points[-1:]), *moments]
        past = max([SHORTEST, *(self._x(at) for at in times)])
        end = past if self._left is None else min(past / PAST, self._x(funnel.points[-1].at) + self._left * 1.08)
        self.x = Scale(0.0, max(past, end), self.frame.left, self.frame.right)

    def svg(self, title: str, description: str, *, standalone: bool) -> str:
        """Return the picture."""
        frame = self.frame
        parts = [
            *self._promote_side(),
            *value_axis(frame, self.y, self.values),
            *self._interval(),
            *self._expected(),
            *self._lines(),
            *time_axis(frame, self.x),
            *self._middle(),
            *self._last(),
            *self._moments(),
            *(svg.text(frame.width - MARGIN if "end" in kind else MARGIN, row(place), text, kind)
              for place, text, kind in self.header),
            *key(frame, self.key),
        ]  # fmt: skip
        if not self.funnel.points:
            quarter = frame.top + (frame.bottom - frame.top) / 4
            parts.append(svg.text((frame.left + frame.right) / 2, quarter, words.NOTHING_YET, "middle"))
        return svg.picture(
            parts,
            kind="funnel",
            width=frame.width,
            height=frame.height,
            title=title,
            description=description or words.sentence(self.funnel, self.began),
            standalone=standalone,
        )

    def _header(self, room: float) -> list[tuple[int, str, str]]:
        """Return the texts above the plot, each with its row and its class."""
        found = [(0, svg.fitting(words.meaning(self.funnel), room), "quiet")]
        if latest := svg.fitting(words.latest(self.funnel), room, bold=True):
            found.append((1, latest, "strong"))
        if expected := svg.fitting(words.expected(self.funnel), room):
            fits = svg.room_for(latest, bold=True) + svg.room_for(expected) <= room
            found.append((1, expected, "end") if fits else (2, expected, ""))
        return found

    def _flags(self) -> list[tuple[float, str, str]]:
        """Return what is written above its time: the decision, and what was done."""
        flags = []
        if (decided := words.decided_text(self.funnel, self.began)) and self.funnel.decided:
            flags.append((self.funnel.decided[0], decided, f"strong {str(self.decision).lower()}"))
        if self.funnel.acted:
            flags.append((*self.funnel.acted, ""))
        return flags

    def _key(self) -> list[tuple[str, str]]:
        dot = svg.element("circle", cx=10, cy=0, r=4.5, class_="mark canary")
        band = (
            svg.rectangle(0, -5, 20, 10, "interval") + svg.line(0, -5, 20, -5, "bound") + svg.line(0, 5, 20, 5, "bound")
        )
        entries = [
            (svg.line(0, 0, 20, 0, "line canary") + dot, self.kind),
            (band, "interval valid at every look"),
        ]
        if self._left is not None and self.funnel.expected:
            diamond = _diamond(10, 0, str(self.funnel.expected.decision).lower())
            entries.append((svg.line(0, 0, 20, 0, "bound expected") + diamond, "expected"))
        if self.clipped:
            entries.append((_beyond(10, 5, up=False), "beyond this axis"))
        return entries

    @property
    def _left(self) -> float | None:
        """Return the seconds from the last point to the expected decision, None if none is expected."""
        expected = self.funnel.expected
        if not expected or not self.funnel.points or self.decision or self.edge is None:
            return None
        if expected.decision is Decision.UNDECIDED or expected.seconds == 0:
            return None
        return math.inf if expected.seconds is None else expected.seconds

    def _x(self, at: float) -> float:
        return at - self.began

    def _ends(self, point: Point) -> tuple[float, float]:
        return coordinate(point.low, self.kind), coordinate(point.high, self.kind)

    def _near(self, value: float) -> float:
        """Return a coordinate that is finite, but still outside the axis if it was."""
        span = self.y.high - self.y.low
        return min(max(value, self.y.low - 20 * span), self.y.high + 20 * span)

    def _within(self, values: Sequence[tuple[float, float]]) -> list[Dot]:
        """Return a line of seconds and coordinates as far as the axis shows it."""
        inside = within([(x, self._near(value)) for x, value in values], self.y.low, self.y.high)
        return [(self.x(seconds), self.y(value)) for seconds, value in inside]

    def _promote_side(self) -> list[str]:
        frame = self.frame
        if self.edge is None:
            return []
        y = self.y(self.edge)
        top, bottom = (frame.top, y) if self.kind == "difference" else (y, frame.bottom)
        return [svg.rectangle(frame.left, top, frame.width - MARGIN - frame.left, bottom - top, "promote-side")]

    def _lines(self) -> list[str]:
        """Return the lines of equality and of the tolerance, and what stands beside them."""
        frame, beside = self.frame, self.frame.right + BESIDE
        equal = self.y(0.0)
        parts = [svg.line(frame.left, equal, frame.right, equal, "axis equal")]
        if self.edge is None:
            return [*parts, svg.text(beside, equal + 4, "equal", "quiet")]
        y = self.y(self.edge)
        promote, reject = ("▲ PROMOTE", "▼ REJECT") if self.kind == "difference" else ("▼ PROMOTE", "▲ REJECT")
        sides = [(promote, "strong promote"), (reject, "strong reject")]
        upper, lower = sides if self.kind == "difference" else reversed(sides)
        texts = [upper, ("tolerance", ""), (tolerance_text(self.funnel), ""), lower]
        top = min(max(y - 21, frame.top + 10), frame.bottom - 48)
        parts.append(svg.line(frame.left, y, frame.right, y, "tolerance"))
        parts += [svg.text(beside, top + 16.5 * place, *text) for place, text in enumerate(texts)]
        if not top - 18 < equal < top + 64:
            parts.append(svg.text(beside, equal + 4, "equal", "quiet"))
        return parts

    def _interval(self) -> list[str]:
        """Return the interval over time."""
        points = self.funnel.points
        if len(points) < 2:
            return []
        lows, highs = (self._within([(self._x(one.at), self._ends(one)[end]) for one in points]) for end in (0, 1))
        parts = [svg.path([*highs, *reversed(lows)], "interval", closed=True)]
        edges = {self.frame.top, self.frame.bottom}
        for bound in (lows, highs):
            for is_beyond, run in groupby(
                pairwise(bound), key=lambda two: two[0][1] == two[1][1] and two[0][1] in edges
            ):
                segments = list(run)
                dots = [segments[0][0], *(end for _, end in segments)]
                if not is_beyond:
                    parts.append(svg.path(dots, "bound"))
                elif self.clipped:
                    (left, y), (right, _) = dots[0], dots[-1]
                    parts.append(_beyond((left + right) / 2, y, up=y == self.frame.top))
        return parts

    def _middle(self) -> list[str]:
        """Return the difference over time."""
        parts = []
        for is_there, run in groupby(self.funnel.points, key=lambda one: one.middle is not None):
            values = [(self._x(one.at), coordinate(one.middle or 0.0, self.kind)) for one in run]
            if is_there and len(values) > 1:
                parts.append(svg.path(self._within(values), "line canary"))
        return parts

    def _last(self) -> list[str]:
        """Return the last difference with its interval."""
        parts = []
        for last in self.funnel.points[-1:]:
            x = self.x(self._x(last.at))
            ends = [self.y(one) for one in self._ends(last)]
            parts.append(svg.line(x, ends[0], x, ends[1], "bar"))
            parts += [svg.line(x - 5, y, x + 5, y, "bar") for y in ends]
            if last.middle is not None:
                y = self.y(coordinate(last.middle, self.kind))
                parts.append(svg.element("circle", cx=x, cy=y, r=4.5, class_="mark canary"))
        return parts

    def _expected(self) -> list[str]:
        """Return how the interval may close in until the expected decision, dashed.

        It shrinks by a power of the time, as wide intervals do, and touches the tolerance at the expected time.
        """
        if self._left is None or self.edge is None or self.funnel.expected is None:
            return []
        last = self.funnel.points[-1]
        if last.middle is None or not math.isfinite(middle := coordinate(last.middle, self.kind)):
            return []
        ends = [self._near(one) for one in self._ends(last)]
        reach = abs((ends[0] if self.edge < middle else ends[1]) - middle)
        if not 0 < (distance := abs(self.edge - middle)) < reach:
            return []
        now = self._x(last.at)
        base, until = max(now, 1.0), min(now + self._left, self.x.high)
        power = math.log(reach / distance) / math.log1p(min(max(self._left, 1.0), 1e6) / base)
        times = [now + (until - now) * step / STEPS for step in range(STEPS + 1)]
        parts = []
        for end in ends:
            values = [(at, middle + (end - middle) * (base / (base + at - now)) ** power) for at in times]
            parts.append(svg.path(self._within(values), "bound expected"))
        parts.append(svg.path(self._within([(now, middle), (until, middle)]), "line canary expected"))
        if now + self._left <= self.x.high:
            decision = str(self.funnel.expected.decision).lower()
            parts.append(_diamond(self.x(until), self.y(self.edge), decision))
        return parts

    def _moments(self) -> list[str]:
        """Return the decision and what was done: a line at its time, its text above, and a mark on the difference."""
        lines, texts = [], []
        first = 1 + max(place for place, _, _ in self.header)
        for place, (at, text, class_) in enumerate(self.flags):
            x, foot = self.x(self._x(at)), row(first + place)
            bold = "strong" in class_
            shown = svg.shortened(text, self.frame.width - 2 * MARGIN, bold=bold)
            half = svg.room_for(shown, bold=bold) / 2
            centre = min(max(x, MARGIN + half), self.frame.width - MARGIN - half)
            lines.append(svg.line(x, foot + 4, x, self.frame.bottom, "moment"))
            texts.append(svg.text(centre, foot, shown, f"middle halo {class_}".strip(), whole=text))
        return [*lines, *texts, *self._sign()]

    def _sign(self) -> list[str]:
        """Return the mark of the decision on the difference then, or on the tolerance where there was none."""
        if self.funnel.decided is None or self.decision is None:
            return []
        at = self.funnel.decided[0]
        known = [one.middle for one in self.funnel.points if one.at <= at and one.middle is not None]
        value = coordinate(known[-1], self.kind) if known else self.edge or 0.0
        return [_sign(self.x(self._x(at)), self.y(value), self.decision)]


def _beyond(x: float, y: float, *, up: bool) -> str:
    """Return a small triangle whose tip touches an end of the axis: something lies beyond it."""
    back = 8 if up else -8
    return svg.path([(x, y), (x - 5, y + back), (x + 5, y + back)], "mark canary beyond", closed=True)


def _diamond(x: float, y: float, class_: str) -> str:
    return svg.path([(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)], f"hollow {class_}", closed=True)


def _sign(x: float, y: float, decision: Decision) -> str:
    """Return the mark of a decision: a disc with a tick for PROMOTE, a square with a cross for REJECT."""
    if decision is Decision.PROMOTE:
        tick = svg.path([(x - 4.5, y), (x - 1, y + 4), (x + 4.5, y - 4)], "sign")
        return svg.element("circle", cx=x, cy=y, r=9, class_="mark promote") + tick
    square = svg.rectangle(x - 8.5, y - 8.5, 17, 17, "mark reject")
    crossed = svg.line(x - 4, y - 4, x + 4, y + 4, "sign") + svg.line(x - 4, y + 4, x + 4, y - 4, "sign")
    return square + crossed
