"""The verdict: a test whether a canary is worse than its baseline by more than the tolerance.

You can check it after every scrape: the error levels hold for all checks together, not only for one.

    PROMOTE when ln E_promote ≥ ln(1/α)                          the canary is not worse by more than the tolerance
    REJECT  when ln E_reject  ≥ ln(10 · comparisons / α)         the canary is worse by more than the tolerance

E is the evidence of an e-process (`eprocess.py`) that compares canary and baseline within each scrape (`strata.py`). A
fair bet would not multiply its stake by more than 1/α with a probability above α, however often one looks.
Each also needs an observed difference on its side of the tolerance, so that no decision contradicts it. Counts that a
person passes have no scrapes (`compare`): the confidence sequence of `confidence.py` decides about an absolute
tolerance, and the e-process about a relative one, as if they were one scrape.
`docs/verdict.md` says what is proven, what is measured, and how the constants were chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from canary.errors import InputError
from canary.verdict import error_ratio, wording
from canary.verdict.comparison import Comparison, Decision, Verdict
from canary.verdict.confidence import smoothed_share, width
from canary.verdict.eprocess import STEP, log_evidence
from canary.verdict.evidence import Evidence
from canary.verdict.strata import Strata
from canary.verdict.tolerance import Multiple, Tolerance

REJECT_SHARE = 10  # REJECT errs ten times less often, so that a canary with a slow start survives


def compare(
    baseline: Evidence,
    canary: Evidence,
    *,
    tolerance: Tolerance | None,
    alpha: float = 0.05,
    comparisons: int = 1,
    scatter: float = 1.0,
    metric: str = "success",
    workload: str = "",
    quality: str = "good",
) -> Comparison:
    """Return what counts without scrapes allow for one metric of one workload.

    Args:
        baseline: its evidence.
        canary: its evidence.
        tolerance: how much worse the canary may be; without one nothing is decided.
        alpha: error level over all checks together, in 0–1, exclusive.
        comparisons: how many comparisons the release has; they share the error level of REJECT.
        scatter: the dispersion; 1 takes all answers as independent.
        metric: its name.
        workload: the stable Deployment's name.
        quality: what a good request is called in sentences: `good`, `within 250 ms`.

    Raises:
        InputError: a number lies outside its range.
    """
    _check(baseline, canary, tolerance=tolerance, alpha=alpha, comparisons=comparisons)
    if not 1 <= scatter < math.inf:
        raise InputError(f"dispersion {scatter:g}: must be 1 (pure chance) or more")
    reject_alpha = alpha / (REJECT_SHARE * comparisons)
    decision, difference, interval = Decision.UNDECIDED, None, (-1.0, 1.0)
    absolute = None if isinstance(tolerance, Multiple) else tolerance
    if baseline.share is not None and canary.share is not None:
        difference = canary.share - baseline.share
        observed = smoothed_share(canary, scatter) - smoothed_share(baseline, scatter)
        interval = (
            max(-1.0, observed - width(baseline, canary, alpha, tolerance=absolute, scatter=scatter)),
            min(1.0, observed + width(baseline, canary, reject_alpha, tolerance=absolute, scatter=scatter)),
        )
        if absolute is not None and interval[0] > -absolute:
            decision = Decision.PROMOTE
        elif absolute is not None and interval[1] < -absolute:
            decision = Decision.REJECT
    comparison = Comparison(
        metric, workload, decision, baseline, canary, difference, interval, tolerance, alpha, reject_alpha, scatter
    )
    if isinstance(tolerance, Multiple) and difference is not None:  # as one scrape, in which nothing is held back
        strata = Strata(tolerance).add(baseline, canary)
        ratios = error_ratio.log_ratios(tolerance.times, baseline, canary)
        comparison = _by_ratio(comparison, strata, tolerance, log_evidence(ratios, scatter))
    return replace(comparison, sentence=wording.sentence(comparison, quality), quality=quality)


def compare_strata(
    strata: Strata,
    *,
    alpha: float = 0.05,
    comparisons: int = 1,
    metric: str = "success",
    workload: str = "",
    quality: str = "good",
) -> Comparison:
    """Return what the scrapes of canary and baseline allow for one metric of one workload.

    Args:
        strata: what both have shown, with the tolerance; without one nothing is decided.
        alpha: error level over all checks together, in 0–1, exclusive.
        comparisons: how many comparisons the release has; they share the error level of REJECT.
        metric: its name.
        workload: the stable Deployment's name.
        quality: what a good request is called in sentences: `good`, `within 250 ms`.

    Raises:
        InputError: a number lies outside its range.
    """
    baseline, canary, tolerance = strata.baseline, strata.canary, strata.tolerance
    _check(baseline, canary, tolerance=tolerance, alpha=alpha, comparisons=comparisons)
    pooled = compare(
        baseline,
        canary,
        tolerance=None,
        alpha=alpha,
        comparisons=comparisons,
        scatter=strata.dispersion,
        metric=metric,
        workload=workload,
    )
    comparison = replace(pooled, tolerance=tolerance, scrapes=strata.scrapes, measured=strata.measured)
    if strata.difference is None or tolerance is None:
        pass
    elif isinstance(tolerance, Multiple):
        comparison = _by_ratio(comparison, strata, tolerance, strata.log_evidence())
    else:
        promote, reject = strata.log_evidence()
        decision = _decision(promote, reject, alpha, pooled.reject_alpha, strata.difference + tolerance)
        low, high = _interval(strata, decision, tolerance, alpha, pooled.reject_alpha)
        of_shares = pooled.difference or 0.0
        alike = low <= of_shares <= high and abs(of_shares - strata.difference) <= (tolerance or STEP) / 2
        difference = of_shares if alike else strata.difference
        comparison = replace(comparison, decision=decision, difference=difference, interval=(low, high))
    return replace(comparison, sentence=wording.sentence(comparison, quality), quality=quality)


def _decision(promote: float, reject: float, alpha: float, reject_alpha: float, margin: float) -> Decision:
    """Return what the logarithms of the evidence allow.

    Args:
        promote: evidence for PROMOTE.
        reject: evidence for REJECT.
        alpha: error level of PROMOTE.
        reject_alpha: error level of REJECT.
        margin: how much better than tolerated the canary has been; negative if worse. Differences that change wildly
            could else make a decision that all requests together contradict.
    """
    if promote >= -math.log(alpha) and margin >= 0:
        return Decision.PROMOTE
    return Decision.REJECT if reject >= -math.log(reject_alpha) and margin <= 0 else Decision.UNDECIDED


def _by_ratio(comparison: Comparison, strata: Strata, tolerance: Multiple, evidence: tuple[float, float]) -> Comparison:
    """Return the comparison with its decision by a relative tolerance, from the evidence for PROMOTE and REJECT."""
    promote, reject = evidence
    found = strata.error_ratio
    margin = -1.0 if found is None else tolerance.times - found
    decision = _decision(promote, reject, comparison.alpha, comparison.reject_alpha, margin)
    low, high = error_ratio.interval(
        *strata.compared,
        found,
        tolerance.times,
        scatter=comparison.dispersion,
        promote=(promote, comparison.alpha),
        reject=(reject, comparison.reject_alpha),
    )
    promoted, rejected = decision is Decision.PROMOTE, decision is Decision.REJECT
    low, high = _cut(low, high, tolerance.times, above=rejected, below=promoted)
    of_shares = error_ratio.ratio_of(comparison.baseline, comparison.canary)
    if found and of_shares and low <= of_shares <= high:  # then it suits the shares that are shown
        found = of_shares if abs(math.log(of_shares / found)) <= math.log(tolerance.times) / 2 else found
    return replace(comparison, decision=decision, ratio=found, ratio_interval=(low, high))


def _interval(
    strata: Strata, decision: Decision, tolerance: float, alpha: float, reject_alpha: float
) -> tuple[float, float]:
    """Return an interval of the difference that agrees with the decision.

    The e-process decides, and tells nothing about other differences than −tolerance. So the interval is the confidence
    sequence of the differences within scrapes, cut off at −tolerance where that would contradict the decision. It is
    valid for many requests only: measured, not proven.

    Args:
        strata: with scrapes.
        decision: of these strata.
        tolerance: their tolerance.
        alpha: error level of the lower end.
        reject_alpha: error level of the upper end.
    """
    baseline, canary = strata.compared
    scatter, difference = strata.dispersion, strata.difference or 0.0
    smoothing = (smoothed_share(canary, scatter) - canary.good / canary.total) - (
        smoothed_share(baseline, scatter) - baseline.good / baseline.total
    )
    stretch = 1 / (strata.weight * (1 / baseline.total + 1 / canary.total))
    reach_low, reach_high = (
        width(baseline, canary, level, tolerance=tolerance, scatter=scatter, stretch=stretch)
        for level in (alpha, reject_alpha)
    )
    low, high = (
        min(difference, difference + smoothing - reach_low),
        max(difference, difference + smoothing + reach_high),
    )
    promoted, rejected = decision is Decision.PROMOTE, decision is Decision.REJECT
    low, high = _cut(low, high, -tolerance, above=promoted, below=rejected)
    return max(-1.0, low), min(1.0, high)


def _cut(low: float, high: float, edge: float, *, above: bool, below: bool) -> tuple[float, float]:
    """Return the interval on one side of an edge, or else around it."""
    return max(low, edge) if above else min(low, edge), min(high, edge) if below else max(high, edge)


def combine(comparisons: Sequence[Comparison]) -> Verdict:
    """Return the verdict of a release: REJECT if one comparison says so, PROMOTE if all do, else UNDECIDED.

    Nothing compared is UNDECIDED.
    """
    for decision, chosen in (
        (Decision.REJECT, [one for one in comparisons if one.decision is Decision.REJECT]),
        (Decision.UNDECIDED, [one for one in comparisons if one.decision is Decision.UNDECIDED]),
        (Decision.PROMOTE, list(comparisons)),
    ):
        if chosen:
            return Verdict(decision, tuple(comparisons), "; ".join(wording.named(one, comparisons) for one in chosen))
    return Verdict(Decision.UNDECIDED, (), "nothing to compare")


def withheld_without_good(verdict: Verdict, objectives: Mapping[str, str] | None = None) -> Verdict:
    """Return the verdict, but UNDECIDED in place of PROMOTE if a metric has no good request on either side.

    Two selectors that match nothing are equal, and so are two versions that only fail.

    Args:
        verdict: of a release.
        objectives: what a good request is called, by metric, where it is not `good`.
    """
    failing = next((one for one in verdict.comparisons if not one.baseline.good + one.canary.good), None)
    if verdict.decision is not Decision.PROMOTE or not failing:
        return verdict
    quality = (objectives or {}).get(failing.metric)
    seen = f"request {quality}" if quality else "good request"
    where = f" of {failing.workload}" if len({one.workload for one in verdict.comparisons}) > 1 else ""
    return verdict.withhold(f"no {seen} was seen on either side{where}")


def _check(
    baseline: Evidence, canary: Evidence, *, tolerance: Tolerance | None, alpha: float, comparisons: int
) -> None:
    for name, evidence in (("baseline", baseline), ("canary", canary)):
        if not 0 <= evidence.good <= evidence.total < math.inf:
            raise InputError(f"{name}: {evidence.good:g} good of {evidence.total:g} requests is impossible")
    if isinstance(tolerance, float | int) and not 0 <= tolerance <= 1:
        raise InputError(f"tolerance {tolerance:g}: must be a share from 0 to 1, such as 0.05 for five points")
    if not 0 < alpha < 1:
        raise InputError(f"alpha {alpha:g}: must be an error level between 0 and 1, such as 0.05")
    if comparisons < 1:
        raise InputError(f"{comparisons} comparisons: a release has at least one")
