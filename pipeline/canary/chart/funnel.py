"""The funnel: the difference of canary and baseline over time, with its interval that closes in on one side.

The interval is valid at every look. Once all of it lies on one side of the tolerance, there is a decision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from canary.chart import svg, words
from canary.chart.axes import Scale, within
from canary.chart.closing_in import coordinate, labels, tolerance_text, visible
from canary.chart.frame import MARGIN, ROW, Frame, header, key, key_rows, time_axis, value_axis, wrapped
from canary.chart.over_time import Funnel, Kind, Point
from canary.chart.svg import Dot
from canary.verdict.comparison import Decision

__all__ = ["Funnel", "Kind", "Point", "draw_funnel"]

PIXELS = 3.0
"""Pixels from one point to the next, at least: more points than these cannot be told apart."""

LATEST = 0.45
"""Part of the plot that the past has at least, however far away the expected decision is."""

SHORTEST = 10.0
"""Seconds that the axis shows at least."""


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
    return _Drawing(funnel, width, height).svg(title, description, standalone=standalone)


class _Drawing:
    """One funnel and the scales of its picture."""

    def __init__(self, funnel: Funnel, width: float, height: float) -> None:
        self.funnel, self.kind = funnel, funnel.kind
        first = funnel.points[0].at if funnel.points else 0.0
        self.began = first if funnel.began is None else funnel.began
        low, high = visible(funnel)
        self.edge = None if funnel.edge is None else coordinate(funnel.edge, self.kind)
        self.clipped = any(
            one < low or one > high
            for point in funnel.points
            for one in (coordinate(point.low, self.kind), coordinate(point.high, self.kind))
        )
        room = width - 2 * MARGIN
        self.header = [
            (wrapped(words.meaning(funnel), room), "quiet"),
            (wrapped(words.reading(funnel), room, bold=True), "strong"),
        ]
        self.flags = self._flags()
        most = max(3, int((height - 130) / 36))
        self.labels = labels(funnel, low, high, most)
        beside = svg.room_for("equal")
        if self.edge is not None:
            beside = max(svg.room_for("▲ PROMOTE", bold=True), svg.room_for(tolerance_text(funnel)))
        self.frame = Frame.around(
            width,
            height,
            above=sum(len(rows) for rows, _ in self.header) + len(self.flags),
            below=key_rows([name for _, name in self._key()], width),
            labels=[name for _, name in self.labels],
            beside=beside,
        )
        self.y = Scale(low, high, self.frame.bottom, self.frame.top)
        self.past = max([SHORTEST, *(at - self.began for at in self._times())])
        self.x = Scale(0.0, max(self.past, self._end()), self.frame.left, self.frame.right)

    def svg(self, title: str, description: str, *, standalone: bool) -> str:
        """Return the picture."""
        first = 0
        parts = [*self._sides(), *value_axis(self.frame, self.y, self.labels)]
        for rows, class_ in self.header:
            parts += header(rows, class_, first=first)
            first += len(rows)
        parts += self._interval()
        parts += self._forecast()
        parts += self._tolerance()
        parts += time_axis(self.frame, self.x)
        parts += self._middle()
        parts += self._moments(first)
        parts += key(self.frame, self._key())
        if not self.funnel.points:
            middle = (self.frame.left + self.frame.right) / 2
            quarter = self.frame.top + (self.frame.bottom - self.frame.top) / 4
            parts.append(svg.text(middle, quarter, words.NOTHING_YET, "middle"))
        return svg.picture(
            parts,
            kind="funnel",
            width=self.frame.width,
            height=self.frame.height,
            title=title,
            description=description or words.sentence(self.funnel, self.began),
            standalone=standalone,
        )

    def _times(self) -> list[float]:
        moments = (self.funnel.decided, self.funnel.acted)
        return [*(one.at for one in self.funnel.points[-1:]), *(one[0] for one in moments if one)]

    def _end(self) -> float:
        """Return the seconds at which the axis ends if it shows the expected decision."""
        if self._expected is None:
            return self.past
        return min(self.past / LATEST, self.funnel.points[-1].at - self.began + self._expected * 1.08)

    @property
    def _expected(self) -> float | None:
        """Return the seconds from the last point to the expected decision; None if none is expected."""
        expected = self.funnel.expected
        if not expected or not self.funnel.points or words.decision_of(self.funnel) or self.edge is None:
            return None
        if expected.decision is Decision.UNDECIDED or expected.seconds == 0:
            return None
        return math.inf if expected.seconds is None else expected.seconds

    def _flags(self) -> list[tuple[float, str, str]]:
        """Return what is written above the plot, each with its time: the decision, and what was done."""
        decided, acted = words.decided_text(self.funnel, self.began), self.funnel.acted
        flags = []
        if decided and self.funnel.decided:
            flags.append((self.funnel.decided[0], decided, f"strong {self._class()}"))
        if acted:
            flags.append((acted[0], acted[1], ""))
        return flags

    def _class(self) -> str:
        return str(words.decision_of(self.funnel) or "").lower()

    def _sides(self) -> list[str]:
        """Return the plot's two sides, shaded."""
        frame = self.frame
        if self.edge is None:
            return []
        y = self.y(self.edge)
        above, below = ("promote", "reject") if self.kind == "difference" else ("reject", "promote")
        width = frame.width - MARGIN - frame.left
        return [
            svg.rectangle(frame.left, frame.top, width, y - frame.top, f"{above}-side"),
            svg.rectangle(frame.left, y, width, frame.bottom - y, f"{below}-side"),
        ]

    def _tolerance(self) -> list[str]:
        """Return the tolerance's line and what stands beside the plot."""
        frame, beside = self.frame, self.frame.right + 8
        equal = self.y(0.0)
        parts = [svg.line(frame.left, equal, frame.right, equal, "axis")]
        if self.edge is None:
            return [*parts, svg.text(beside, equal + 4, "equal", "quiet")]
        y = self.y(self.edge)
        better, worse = ("▲ PROMOTE", "▼ REJECT") if self.kind == "difference" else ("▼ PROMOTE", "▲ REJECT")
        upper, lower = (better, worse) if self.kind == "difference" else (worse, better)
        parts += [
            svg.line(frame.left, y, frame.right, y, "tolerance"),
            svg.text(beside, y - 21, upper, f"strong {_side(upper)}"),
            svg.text(beside, y - 4, "tolerance"),
            svg.text(beside, y + 12, tolerance_text(self.funnel)),
            svg.text(beside, y + 29, lower, f"strong {_side(lower)}"),
        ]
        if not y - 36 < equal < y + 44 and frame.top + 8 < equal:
            parts.append(svg.text(beside, equal + 4, "equal", "quiet"))
        return parts

    def _interval(self) -> list[str]:
        """Return the interval over time."""
        points = self._thinned()
        lows, highs = ([(self._x(one.at), self._cut(end)) for one, end in self._ends(points, at)] for at in (0, 1))
        if len(points) < 2:
            return []
        low, high = self.y.low, self.y.high
        lows, highs = within(lows, low, high), within(highs, low, high)
        parts = [svg.path(self._dots([*highs, *reversed(lows)]), "interval", closed=True)]
        for bound in (lows, highs):
            for is_inside, run in groupby(bound, key=lambda dot: low < dot[1] < high):
                dots = list(self._dots(list(run)))
                if is_inside:
                    parts.append(svg.path(dots, "bound"))
                elif len(dots) > 1 or not parts:
                    middle = (dots[0][0] + dots[-1][0]) / 2
                    up = dots[0][1] < (self.frame.top + self.frame.bottom) / 2
                    parts.append(_clip_mark(middle, self.frame.top if up else self.frame.bottom, up=up))
        return parts

    def _ends(self, points: Sequence[Point], which: int) -> list[tuple[Point, float]]:
        return [(one, coordinate((one.low, one.high)[which], self.kind)) for one in points]

    def _cut(self, value: float) -> float:
        """Return a coordinate that is finite, but still outside the axis if it was."""
        span = self.y.high - self.y.low
        return min(max(value, self.y.low - 20 * span), self.y.high + 20 * span)

    def _x(self, at: float) -> float:
        return at - self.began

    def _dots(self, values: Sequence[tuple[float, float]]) -> list[Dot]:
        return [(self.x(seconds), self.y(value)) for seconds, value in values]

    def _thinned(self) -> list[Point]:
        """Return the points that can be told apart: of those in a few pixels the last one, and the first of all."""
        slots: dict[int, Point] = {}
        for one in self.funnel.points:
            slots[int(self.x(self._x(one.at)) / PIXELS)] = one
        kept = list(slots.values())
        first = self.funnel.points[:1]
        return kept if not first or kept[0] == first[0] else [*first, *kept]

    def _middle(self) -> list[str]:
        """Return the difference over time, and its last value with its interval."""
        parts = []
        for is_there, run in groupby(self._thinned(), key=lambda one: one.middle is not None):
            values = [(self._x(one.at), self._cut(coordinate(one.middle or 0.0, self.kind))) for one in run]
            if is_there and len(values) > 1:
                inside = within(values, self.y.low, self.y.high)
                parts.append(svg.path(self._dots(inside), "line canary"))
        for last in self.funnel.points[-1:]:
            x = self.x(self._x(last.at))
            ends = [self.y(coordinate(one, self.kind)) for one in (last.low, last.high)]
            parts.append(svg.path([(x, ends[0]), (x, ends[1])], "bar"))
            parts += [svg.line(x - 5, y, x + 5, y, "bar") for y in ends]
            if last.middle is not None:
                y = self.y(coordinate(last.middle, self.kind))
                parts.append(svg.element("circle", cx=x, cy=y, r=4.5, class_="mark canary"))
        return parts

    def _forecast(self) -> list[str]:
        """Return how the interval may go on until the expected decision, dashed."""
        left, expected = self._expected, self.funnel.expected
        if left is None or expected is None or self.edge is None:
            return []
        last = self.funnel.points[-1]
        now, middle = self._x(last.at), coordinate(last.middle if last.middle is not None else math.nan, self.kind)
        ends = [self._cut(coordinate(one, self.kind)) for one in (last.low, last.high)]
        nearer = ends[0] if self.edge < middle else ends[1]
        reach, distance = abs(nearer - middle), abs(self.edge - middle)
        if not math.isfinite(middle) or not 0 < distance < reach:
            return []
        until = min(now + left, self.x.high)
        base = max(now, 1.0)
        power = math.log(reach / distance) / math.log((base + min(left, 86400.0)) / base)
        steps = [until if n == 12 else now + (until - now) * n / 12 for n in range(13)]
        shrunk = [(base / (base + one - now)) ** power for one in steps]
        parts = []
        for end in ends:
            values = [(at, middle + (end - middle) * part) for at, part in zip(steps, shrunk, strict=True)]
            parts.append(svg.path(self._dots(within(values, self.y.low, self.y.high)), "bound expected"))
        parts.append(svg.path(self._dots([(now, middle), (until, middle)]), "line canary expected"))
        if now + left <= self.x.high:
            parts.append(_diamond(self.x(until), self.y(self.edge), str(expected.decision).lower()))
        return parts

    def _moments(self, first: int) -> list[str]:
        """Return the decision and what was done: a line at its time, its text above, and a mark on the difference."""
        parts = []
        for place, (at, text, class_) in enumerate(self.flags):
            x = self.x(self._x(at))
            baseline = MARGIN + (first + place + 1) * ROW - 4
            bold = "strong" in class_
            fitting = svg.shortened(text, self.frame.width - 2 * MARGIN, bold=bold)
            half = svg.room_for(fitting, bold=bold) / 2
            centre = min(max(x, MARGIN + half), self.frame.width - MARGIN - half)
            parts.append(svg.line(x, baseline + 4, x, self.frame.bottom, "moment"))
            parts.append(svg.text(centre, baseline, fitting, f"middle {class_}".strip(), whole=text))
        decision = words.decision_of(self.funnel)
        if decision and self.funnel.decided:
            at = self.funnel.decided[0]
            known = [one for one in self.funnel.points if one.at <= at and one.middle is not None]
            value = coordinate(known[-1].middle or 0.0, self.kind) if known else 0.0
            parts.append(_sign(self.x(self._x(at)), self.y(value), decision))
        return parts

    def _key(self) -> list[tuple[str, str]]:
        name = "difference" if self.kind == "difference" else "ratio"
        sample = svg.line(0, 0, 20, 0, "line canary") + svg.element("circle", cx=10, cy=0, r=4.5, class_="mark canary")
        band = (
            svg.rectangle(0, -5, 20, 10, "interval") + svg.line(0, -5, 20, -5, "bound") + svg.line(0, 5, 20, 5, "bound")
        )
        entries = [(sample, name), (band, "its interval, valid at every look")]
        if self._expected is not None:
            entries.append((svg.line(0, 0, 20, 0, "line canary expected"), "expected"))
        if self.clipped:
            entries.append((_clip_mark(10, 5, up=False), "beyond this axis"))
        return entries


def _side(text: str) -> str:
    return "promote" if "PROMOTE" in text else "reject"


def _clip_mark(x: float, y: float, *, up: bool) -> str:
    """Return a small triangle whose tip touches an end of the axis: something lies beyond it."""
    back = 8 if up else -8
    return svg.path([(x, y), (x - 5, y + back), (x + 5, y + back)], "mark canary", closed=True)


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
