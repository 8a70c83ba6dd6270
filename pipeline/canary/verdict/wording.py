"""Comparisons and verdicts for a person."""

from __future__ import annotations

from collections.abc import Sequence

from canary.verdict.comparison import Comparison, Decision, Verdict
from canary.verdict.multiples import errors_compared, share_decimals, times
from canary.verdict.strata import LEAST_SCRAPES
from canary.verdict.tolerance import Multiple, decimals

FEW_ERRORS = ", too little variation to see whether errors come in bursts"
"""Why the rule takes more requests than it would need if errors were known to be independent."""


def sentence(comparison: Comparison, quality: str) -> str:
    """Return a comparison for a person. `quality` is what a good request is called."""
    canary, baseline = comparison.canary, comparison.baseline
    requests = (
        f"{canary.total:,.0f} requests each"
        if round(canary.total) == round(baseline.total)
        else f"{canary.total:,.0f} and {baseline.total:,.0f} requests"
    )
    if comparison.difference is None:
        silent = [name for name, one in (("canary", canary), ("baseline", baseline)) if not one.total]
        return f"no requests to {' and '.join(silent)} yet" + ("" if len(silent) == 2 else f" ({requests})")
    if comparison.decision is Decision.UNDECIDED and comparison.scrapes is not None and not comparison.measured:
        few = comparison.scrapes < LEAST_SCRAPES
        requests += f" in {comparison.scrapes} of at least {LEAST_SCRAPES} scrapes" if few else FEW_ERRORS
    tolerance = comparison.tolerance
    if isinstance(tolerance, Multiple):
        bound = {Decision.PROMOTE: "at most", Decision.REJECT: "at least"}.get(comparison.decision, "")
        return errors_compared(
            baseline,
            canary,
            comparison.ratio,
            comparison.ratio_interval,
            tolerance,
            bound=bound,
            quality=quality,
            requests=requests,
        )
    (low, high), digits = comparison.interval, decimals(tolerance)
    if low > 0:
        range_ = f"at least {_points(low, digits)}"
    elif high < 0:
        range_ = f"at least {_points(-high, digits)}"
    elif (low, high) == (-1.0, 1.0):
        range_ = "too few answers to say"
    elif comparison.decision is Decision.PROMOTE:
        range_ = f"at most {_points(0.0 - low, digits)} worse"
    else:
        range_ = f"between {_points(0.0 - low, digits)} worse and {_points(high, digits)} better"
    limit = "" if tolerance is None or low > 0 else f"; tolerance {_points(tolerance, digits)}"
    points = _points(abs(comparison.difference), digits)
    outcome = (
        "equal" if float(points) == 0 else f"{'better' if comparison.difference > 0 else 'worse'} by {points} points"
    )
    if comparison.difference != canary.good / canary.total - baseline.good / baseline.total:
        outcome += " within the same scrapes"
    shares = [_points(one.good / one.total, digits) for one in (canary, baseline)]
    return f"canary {shares[0]} % {quality} vs baseline {shares[1]} %: {outcome} ({range_}{limit}), {requests}"


def _difference(comparison: Comparison) -> str:
    difference = comparison.difference or 0.0
    if isinstance(comparison.tolerance, Multiple) and comparison.ratio is not None:
        return f"{times(comparison.ratio, comparison.tolerance)} times the errors"
    points = _points(abs(difference), precision(comparison))
    return "equal" if float(points) == 0 else f"{points} points {'better' if difference > 0 else 'worse'}"


def named(comparison: Comparison, comparisons: Sequence[Comparison]) -> str:
    """Return the comparison's sentence, after the workload and metric if the release has several of them."""
    names = []
    if len({one.workload for one in comparisons}) > 1:
        names.append(comparison.workload)
    if len({one.metric for one in comparisons}) > 1:
        names.append(comparison.metric)
    return ": ".join([" ".join(names), comparison.sentence]) if names else comparison.sentence


def brief(verdict: Verdict) -> str:
    """Return a verdict in a few words, with its most important number: `REJECT, 9.7 points worse`."""
    if not verdict.comparisons and verdict.decision is Decision.UNDECIDED:
        return "nothing to compare"
    deciding = [one for one in verdict.comparisons if one.decision is verdict.decision and one.difference is not None]
    if not deciding:
        return f"{verdict.decision}: {verdict.sentence}"
    worst = min(deciding, key=lambda one: one.difference or 0.0)
    which = f"{worst.metric} " if len({one.metric for one in verdict.comparisons}) > 1 else ""
    return f"{verdict.decision}, {which}{_difference(worst)}"


def precision(comparison: Comparison) -> int:
    """Return how many decimals of a percentage suit a comparison: those of its tolerance, or of the fewest errors."""
    if not isinstance(comparison.tolerance, Multiple):
        return decimals(comparison.tolerance)
    return share_decimals(comparison.baseline, comparison.canary)


def _points(share: float, digits: int) -> str:
    return f"{share * 100:.{digits}f}"
