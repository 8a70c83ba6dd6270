"""The pictures of one metric, drawn for a page."""

from __future__ import annotations

from dataclasses import dataclass

from canary.chart.answers import draw_answers
from canary.chart.funnel import draw_funnel
from canary.chart.lines import draw_lines
from canary.chart.of_counts import answers_of, funnel_of, shares_of
from canary.chart.points import PointsSoFar
from canary.release.overview import MetricOverview, WorkloadOverview


@dataclass(frozen=True)
class Pictures:
    """Pictures as SVG.

    Attributes:
        funnel: the difference with its interval over time.
        narrow: the same for a phone.
        shares: of good answers, all variants on one axis.
        answers: good and bad answers, by variant.
    """

    funnel: str
    narrow: str
    shares: str
    answers: str


def pictures(one: WorkloadOverview, metric: MetricOverview, so_far: PointsSoFar, *, beside: bool) -> Pictures:
    """Return the pictures of a metric.

    Args:
        one: its workload.
        metric: which.
        so_far: what was compared for earlier pictures of the same metric.
        beside: whether a list beside them takes some of the width.
    """
    name = f"{one.status.name}: {metric.comparison.metric}"
    found = funnel_of(metric.counts, metric.comparison, forecast=metric.forecast, began=one.began, so_far=so_far)
    said = metric.comparison.sentence
    shares = shares_of(metric.counts, quality=metric.quality, began=one.began)
    answers = answers_of(metric.counts, quality=metric.quality, began=one.began)
    (wide, high), (half, low) = ((640, 230), (310, 160)) if beside else ((760, 252), (370, 172))
    return Pictures(
        draw_funnel(found, width=wide, height=high, title=f"Funnel of {name}", description=said),
        draw_funnel(found, width=360, height=340, title=f"Funnel of {name}", description=said),
        draw_lines(shares, width=half, height=low, title=f"Answers {metric.quality}, {name}", description=""),
        draw_answers(answers, width=half, height=low, title=f"Answers of {name}", description=""),
    )
