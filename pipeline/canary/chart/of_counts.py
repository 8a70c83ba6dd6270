"""What the pictures show, from the counts of a release at each look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from canary.chart.answers import Answers, Column, good_answers
from canary.chart.lines import Line, Lines
from canary.chart.over_time import Funnel, Kind, Point
from canary.chart.points import PointsSoFar, point_of
from canary.marks import Variant
from canary.verdict.comparison import Comparison, Decision
from canary.verdict.evidence import Evidence
from canary.verdict.forecast import Forecast
from canary.verdict.looks import Counts, Look
from canary.verdict.tolerance import Multiple

SLOTS = 60
"""Points of a line, and columns of a variant, at most."""

FEWEST = 50
"""Answers behind a share in a line, at least, unless there are fewer in all: that of three answers says nothing."""


def funnel_of(
    counts: Counts,
    comparison: Comparison | None = None,
    *,
    forecast: Forecast | None = None,
    decided: tuple[float, Decision] | None = None,
    acted: tuple[float, str] | None = None,
    began: float | None = None,
    so_far: PointsSoFar | None = None,
) -> Funnel:
    """Return the funnel of one metric of one workload.

    Args:
        counts: at each look.
        comparison: as of the last look, where it is known; it replaces what these counts say of the last look, because
            some looks may be left out.
        forecast: the decision to expect.
        decided: Unix seconds and the decision, where it is known; else since when the comparison has said the same.
        acted: Unix seconds, and what was done.
        began: Unix seconds when the time on the axis begins, None for the first look.
        so_far: what was compared for an earlier picture of this metric; it then takes the new looks only.
    """
    compared = (PointsSoFar() if so_far is None else so_far).of(counts)
    kind: Kind = "ratio" if isinstance(counts.tolerance, Multiple) else "difference"
    if comparison is not None and comparison.difference is not None and counts.looks:
        at = counts.looks[-1].at
        last = (point_of(at, comparison, kind), comparison.decision)
        compared = [*(one for one in compared if one[0].at < at), last]
    return Funnel(
        tuple(point for point, _ in compared),
        counts.tolerance,
        kind,
        decided or _decided(compared),
        forecast,
        acted,
        began,
    )


def shares_of(counts: Counts, *, quality: str = "good", began: float | None = None) -> Lines:
    """Return the share of good answers of each variant over time, each point from the answers since the one before."""
    lines = []
    for variant, looks in _by_variant(counts.looks):
        columns = _columns(looks, most=SLOTS // 2, fewest=FEWEST)
        points = tuple((one.until, one.good / (one.good + one.bad)) for one in columns)
        lines.append(Line(variant, points, looks[-1][1].share))
    meaning = f"{good_answers(quality)} in percent"
    return Lines(tuple(lines), "share", (f"{meaning} over time, and in all beside the variant", meaning), began)


def rates_of(counts: Counts, *, began: float | None = None) -> Lines:
    """Return the requests per second of each variant over time."""
    lines = []
    for variant, looks in _by_variant(counts.looks):
        points = [(one.until, (one.good + one.bad) / (one.until - one.since)) for one in _columns(looks)]
        lines.append(Line(variant, tuple(points)))
    return Lines(tuple(lines), "rate", ("requests per second",), began)


def answers_of(counts: Counts, *, quality: str = "good", began: float | None = None) -> Answers:
    """Return the answers of each variant over time; many scrapes are added up to fewer columns."""
    by_variant = dict(_by_variant(counts.looks))
    columns = tuple((variant, tuple(_columns(looks))) for variant, looks in by_variant.items())
    return Answers(columns, quality, began, {variant: looks[-1][1] for variant, looks in by_variant.items()})


def _decided(compared: Sequence[tuple[Point, Decision]]) -> tuple[float, Decision] | None:
    """Return since when the comparison has said what it says now; None while it is undecided."""
    if not compared or compared[-1][1] is Decision.UNDECIDED:
        return None
    decision = compared[-1][1]
    others = [place for place, (_, one) in enumerate(compared) if one is not decision]
    return compared[others[-1] + 1 if others else 0][0].at, decision


def _by_variant(looks: Sequence[Look]) -> Iterator[tuple[Variant, list[tuple[float, Evidence]]]]:
    """Yield the counts of each variant over time."""
    counted = (
        (Variant.STABLE, [(one.at, one.stable) for one in looks if one.stable is not None and one.stable.total]),
        (Variant.BASELINE, [(one.at, one.baseline) for one in looks]),
        (Variant.CANARY, [(one.at, one.canary) for one in looks]),
    )
    yield from ((variant, found) for variant, found in counted if found)


def _columns(counted: Sequence[tuple[float, Evidence]], *, most: int = SLOTS, fewest: float = 0) -> list[Column]:
    """Return what was counted in each of at most so many times, each with so many answers at least.

    If there are fewer answers in all, it is one time.
    """
    least = (counted[-1][0] - counted[0][0]) / most * 0.999  # of a slot: looks are not quite evenly spaced
    columns = []
    since, before = counted[0]
    for at, now in counted[1:]:
        if at - since >= least and now.total - before.total >= fewest:
            columns.append(_column(since, before, at, now))
            since, before = at, now
    if not columns and counted[-1][1].total > before.total:
        columns.append(_column(since, before, *counted[-1]))
    return columns


def _column(since: float, before: Evidence, until: float, now: Evidence) -> Column:
    gained = now.since(before)
    return Column(since, until, gained.good, gained.bad)
