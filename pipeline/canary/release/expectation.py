"""When a release can be expected to decide, at the traffic of the last half minute."""

import math

from canary.marks import COMPARED
from canary.settings.options import Options
from canary.state.record import Record
from canary.verdict.comparison import Comparison, Decision, Verdict
from canary.verdict.forecast import Forecast, forecast, of_release


def expectation(record: Record, verdict: Verdict, options: Options) -> Forecast | None:
    """Return the decision to expect; None if there is a decision already, or if that cannot be said.

    While PROMOTE is withheld, nobody can say for how long.

    Args:
        record: of all looks.
        verdict: of the last one.
        options: of the release. Nothing is promoted before its minimum duration, nor with fewer requests than its
            minimum.
    """
    compared = verdict.comparisons
    if verdict.decision is not Decision.UNDECIDED or verdict.withheld:
        return None
    if all(one.decision is not Decision.UNDECIDED for one in compared):
        return None
    rates = {
        (name, variant): record.tally.rate(name, variant) or 0.0
        for name in {one.workload for one in compared}
        for variant in COMPARED
    }
    if not all(rates.values()):
        return None
    metrics = {metric.name: metric for metric in options.measures.metrics}
    least, forecasts = options.min_duration - record.watched, []
    for one in compared:
        for variant in COMPARED:
            lacking = options.min_requests - record.tally.requests_at_step(one.workload, variant, metrics[one.metric])
            least = max(least, lacking / rates[one.workload, variant])
        seconds = _seconds_per_scrape(record, one, options, sum(rates[one.workload, variant] for variant in COMPARED))
        strata = record.tally.strata(one.workload, metrics[one.metric])
        forecasts.append(forecast(strata, one, comparisons=len(compared), seconds=seconds))
    return of_release(forecasts, least=least)


def _seconds_per_scrape(record: Record, one: Comparison, options: Options, rate: float) -> float:
    """Return how long it takes to have answers of both variants, at `rate` requests per second by the first metric."""
    first = options.measures.metrics[0]
    answers = sum(record.tally.evidence(one.workload, variant, first).total for variant in COMPARED)
    return answers / rate / one.scrapes if one.scrapes else math.inf
