"""The pictures of a report: for each metric of each workload, how the difference narrowed, and what was counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from markupsafe import Markup

from canary.chart.answers import draw_answers, good_answers
from canary.chart.funnel import Funnel, draw_funnel
from canary.chart.lines import draw_lines
from canary.chart.of_counts import SLOTS, answers_of, funnel_of, rates_of, shares_of
from canary.plurals import counted
from canary.printable import printable
from canary.report.report import Outcome, Report
from canary.times import readable
from canary.verdict.comparison import Comparison, Decision
from canary.verdict.looks import Counts

WIDE, HALF, NARROW = 920, 450, 360
"""Widths in pixels: of a page, of half a page, and of a phone."""

HEIGHT = 240
"""Height in pixels of the pictures that stand side by side."""

_WORST_FIRST = (Decision.REJECT, Decision.UNDECIDED, Decision.PROMOTE)


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        svg: the picture.
        size: `wide`, `half`, or `narrow`: the same as a wide one, for a phone.
    """

    svg: Markup
    size: str


@dataclass(frozen=True)
class Figures:
    """The pictures of one metric of one workload.

    Attributes:
        title: names the metric, and the workload if there are several.
        pictures: in the order in which they are shown.
        notes: what to know about them, a sentence each.
    """

    title: str
    pictures: tuple[Picture, ...]
    notes: tuple[str, ...]


def drawable(report: Report) -> list[Counts]:
    """Return the counts that have looks to draw. An older version of canary has saved none in the cluster."""
    return [one for one in report.counts if one.looks]


def figures_of(report: Report) -> Iterator[Figures]:
    """Yield the pictures of each metric, the worst one first."""
    compared = {(one.workload, one.metric): one for one in (report.verdict.comparisons if report.verdict else ())}
    several = len({one.workload for one in report.counts}) > 1
    rated = set()
    for counts in sorted(drawable(report), key=lambda one: _badness(compared.get((one.workload, one.metric)))):
        name = f"{counts.workload} {counts.metric}" if several else counts.metric
        comparison = compared.get((counts.workload, counts.metric))
        yield Figures(
            name,
            tuple(_pictures(report, counts, comparison, printable(name), rates=counts.workload not in rated)),
            tuple(_notes(counts)),
        )
        rated.add(counts.workload)


def _badness(one: Comparison | None) -> tuple[int, float]:
    if one is None:
        return len(_WORST_FIRST), 0.0
    return _WORST_FIRST.index(one.decision), one.difference or 0.0


def _pictures(
    report: Report, counts: Counts, comparison: Comparison | None, name: str, *, rates: bool
) -> Iterator[Picture]:
    began = min(report.began, counts.looks[0].at)
    funnel = replace(_funnel(report, counts, comparison), began=began)
    compared = "ratio of errors" if funnel.kind == "ratio" else "difference"
    title = f"{name}: {compared} of canary and baseline over time"
    yield Picture(_markup(draw_funnel(funnel, width=WIDE, title=title)), "wide")
    yield Picture(_markup(draw_funnel(funnel, width=NARROW, title=title)), "narrow")
    quality = comparison.quality if comparison else "good"
    title = f"{name}: share of {good_answers(quality)} of each variant over time"
    shares = shares_of(counts, quality=quality, began=began)
    yield Picture(_markup(draw_lines(shares, width=HALF, height=HEIGHT, title=title)), "half")
    title = f"{name}: answers by variant and outcome over time"
    answers = answers_of(counts, quality=quality, began=began)
    yield Picture(_markup(draw_answers(answers, width=HALF, height=HEIGHT, title=title)), "half")
    if rates:
        title = f"{counts.workload}: requests per second of each variant"
        yield Picture(
            _markup(draw_lines(rates_of(counts, began=began), width=HALF, height=HEIGHT, title=printable(title))),
            "half",
        )


def _funnel(report: Report, counts: Counts, comparison: Comparison | None) -> Funnel:
    """Return the funnel: of this command's looks as it judged them, of earlier ones as the rule judges them again."""
    own = report.progress.get((counts.workload, counts.metric))
    forecast = report.forecast if len(report.counts) == 1 else None
    if own is None:
        return funnel_of(counts, comparison, forecast=forecast, acted=_acted(report))
    saved = replace(counts, looks=tuple(one for one in counts.looks if one.at < own.points[0].at))
    earlier = funnel_of(saved, forecast=forecast, acted=_acted(report))
    return replace(earlier, points=(*earlier.points, *own.points), decided=own.said_since)


def _markup(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704 - chart escapes all texts that it writes


def _acted(report: Report) -> tuple[float, str] | None:
    """Return when somebody decided, and what."""
    if report.decided is None:
        return None
    by = printable(report.decided.by)
    if report.outcome in (Outcome.PROMOTED, Outcome.REJECTED):
        return report.decided_at, f"{report.outcome} by {by}"
    return report.decided_at, f"{by} decided to {'promote' if report.decided.promote else 'reject'}"


def _notes(counts: Counts) -> Iterator[str]:
    if len(counts.looks) > SLOTS:
        yield (
            f"{counted(len(counts.looks), 'look')}. The pictures show fewer points than that: a point of a line, and a "
            "column, have the answers of several looks. report.json has each look"
        )
    if counts.saved_until is not None:
        yield f"Looks up to {readable(counts.saved_until)} come from the cluster, which saves at most 256 of them"
