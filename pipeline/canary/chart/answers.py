"""Answers per scrape, by variant and outcome: good ones above a line, bad ones below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from canary.chart import svg
from canary.chart.axes import Scale
from canary.chart.frame import BESIDE, MARGIN, Frame, row, time_axis
from canary.marks import COMPARED, Variant
from canary.verdict.evidence import Evidence


@dataclass(frozen=True)
class Column:
    """The answers of a short time.

    Attributes:
        since: Unix seconds when it began.
        until: Unix seconds when it ended.
        good: good answers.
        bad: all others.
    """

    since: float
    until: float
    good: float
    bad: float


@dataclass(frozen=True)
class Answers:
    """The answers of every variant over time.

    Attributes:
        columns: by variant, oldest first.
        quality: what a good answer is called: `good`, `within 250 ms`.
        began: Unix seconds when the time on the axis begins, None for the first column.
        counted: everything that was counted of a variant, also before the first column and after the last one; else
            the sums of its columns.
    """

    columns: tuple[tuple[Variant, tuple[Column, ...]], ...]
    quality: str = "good"
    began: float | None = None
    counted: Mapping[Variant, Evidence] = field(default_factory=dict)

    def totals(self) -> dict[Variant, tuple[float, float]]:
        """Return the number of good answers, and of all others, of each variant."""
        found = {variant: _totals(columns) for variant, columns in self.columns}
        return found | {variant: (one.good, one.bad) for variant, one in self.counted.items()}


def draw_answers(
    answers: Answers,
    *,
    width: float = 720,
    height: float = 240,
    title: str,
    description: str = "",
    standalone: bool = False,
) -> str:
    """Return the picture as SVG.

    Canary and baseline have the same scale; stable, which may have many more pods, has its own.

    Args:
        answers: what to draw.
        width: pixels, 280 at least.
        height: pixels, 160 at least.
        title: what it shows, for those who do not see it.
        description: what it says, for those who do not see it; empty for the sums.
        standalone: whether it has its own stylesheet, for a file of its own.
    """
    good = good_answers(answers.quality)
    meaning = svg.fitting(
        [
            f"{good} above each line, all others below it; canary and baseline on one scale",
            f"{good} above each line, all others below it",
            f"{good} above, others below",
        ],
        width - 2 * MARGIN,
    )
    totals = answers.totals()
    beside = max((svg.room_for(f"{_short(max(sums))} good") for sums in totals.values()), default=0.0)
    frame = Frame.around(width, height, above=1, below=0, labels=["baseline__"], beside=beside)
    times = [one.until for _, columns in answers.columns for one in columns]
    first = [one.since for _, columns in answers.columns for one in columns]
    began = min(first, default=0.0) if answers.began is None else answers.began
    x = Scale(0.0, max([10.0, *(at - began for at in times)]), frame.left, frame.right)
    parts = [svg.text(MARGIN, row(0), meaning, "quiet"), *time_axis(frame, x)]
    compared = [columns for variant, columns in answers.columns if variant in COMPARED]
    rows = [(variant, columns) for variant, columns in answers.columns if columns]
    band = (frame.bottom - frame.top) / max(1, len(rows))
    for place, (variant, columns) in enumerate(rows):
        parts += _row(
            variant,
            columns,
            x,
            began,
            frame,
            top=frame.top + place * band,
            height=band - 6,
            most=_most(compared) if variant in COMPARED else _most([columns]),
            total=totals[variant],
        )
    if not rows:
        middle = (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2
        parts.append(svg.text(*middle, "nothing was counted yet", "middle"))
    sums = [f"{variant} {good:,.0f} {answers.quality} and {bad:,.0f} others" for variant, (good, bad) in totals.items()]
    return svg.picture(
        parts,
        kind="answers",
        width=width,
        height=height,
        title=title,
        description=description or f"Answers so far: {'; '.join(sums) or 'none'}.",
        standalone=standalone,
    )


def good_answers(quality: str) -> str:
    """Return the words for good answers: `good answers`, `answers within 250 ms`."""
    return "good answers" if quality == "good" else f"answers {quality}"


def _row(
    variant: Variant,
    columns: Sequence[Column],
    x: Scale,
    began: float,
    frame: Frame,
    *,
    top: float,
    height: float,
    most: tuple[float, float],
    total: tuple[float, float],
) -> list[str]:
    good_most, bad_most = most
    per_answer = (height - 4) / max(good_most + bad_most, 1.0)
    middle = top + 2 + good_most * per_answer
    good, bad = [], []
    for one in columns:
        left, right = x(one.since - began), x(one.until - began)
        wide = right - left - 1 if right - left > 4 else max(1.0, right - left)
        if one.good > 0:
            good.append(_column(left, middle, wide, -one.good * per_answer))
        if one.bad > 0:
            bad.append(_column(left, middle, wide, one.bad * per_answer))
    good_sum, bad_sum = total
    beside = frame.right + BESIDE
    centre = top + height / 2
    return [
        svg.element("path", d="".join(good), class_=f"good {variant}"),
        svg.element("path", d="".join(bad), class_=f"bad {variant}"),
        svg.line(frame.left, middle, frame.right, middle, "axis"),
        svg.text(frame.left - 6, centre + 4, str(variant), f"strong end {variant}"),
        svg.text(beside, centre - 4, f"{_short(good_sum)} good"),
        svg.text(beside, centre + 12, f"{_short(bad_sum)} bad"),
    ]


def _column(left: float, foot: float, width: float, height: float) -> str:
    """Return the part of a path that draws a column from its foot, downwards if the height is positive."""
    across = svg.number(width)
    return f"M{svg.number(left)} {svg.number(foot)}h{across}v{svg.number(height)}h-{across}z"


def _short(count: float) -> str:
    """Return a count in a few characters: `9,999`, `20.4 M`."""
    for name, size in ((" G", 1e9), (" M", 1e6), (" k", 1e3)):
        if count >= max(size, 1e5):
            return f"{count / size:.3g}{name}" if count / size < 1000 else f"{count / size:,.0f}{name}"
    return f"{count:,.0f}"


def _totals(columns: Sequence[Column]) -> tuple[float, float]:
    return sum(one.good for one in columns), sum(one.bad for one in columns)


def _most(rows: Sequence[Sequence[Column]]) -> tuple[float, float]:
    """Return the most good, and the most bad answers of any column."""
    columns = [one for row in rows for one in row]
    return max((one.good for one in columns), default=0.0), max((one.bad for one in columns), default=0.0)
