"""The verdict: a continuously valid non-inferiority test of a canary against its baseline.

It may be looked at after every scrape: its error levels hold for all looks together, not for one look alone. With n
requests of which s are good, per variant:

    p     = (s + 2) / (n + 4)                      shares, moved a little towards one half (Agresti and Coull 1998)
    d     = p_canary − p_baseline
    m     = harmonic mean of the two n
    v     = Σ φ p (1 − p) / n                      φ: how much the counts scatter beyond chance, see `Evidence`
    width = √v · √(2 (m ρ² + 1) / (m ρ²) · log(1 + √(m ρ² + 1) / (2 α)))

    REJECT  when d + width(α / comparisons) < −tolerance       the canary is worse by more than the tolerance
    PROMOTE when d − width(α) > −tolerance                     the canary is not worse by more than the tolerance

`width` is the one-sided asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences" (2021): a Gaussian mixture, in the manner of
Robbins, "Statistical methods related to the law of the iterated logarithm" (1970).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from canary.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

PSEUDO_GOOD = 2.0
PSEUDO_TOTAL = 4.0
RHO_SQUARED = 1 / 200  # the width is tightest, relative to a test with a single look, at some hundreds of requests
SCRAPES_FOR_DISPERSION = 8


class Decision(StrEnum):
    """What the evidence allows."""

    PROMOTE = "PROMOTE"
    REJECT = "REJECT"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True)
class Evidence:
    """What one variant has shown on one metric since its warm-up ended.

    Attributes:
        good: good requests.
        total: all requests.
        scrapes: scrapes in which requests were counted.
        spread: the sum over those scrapes of good² / total, from which the dispersion follows without keeping each.
    """

    good: float = 0.0
    total: float = 0.0
    scrapes: int = 0
    spread: float = 0.0

    def add(self, good: float, total: float) -> Evidence:
        """Return the evidence with one more scrape's requests (`total` new ones, of which `good` were good).

        A scrape without requests says nothing, and changes nothing.
        """
        if not 0 <= good <= total:
            raise ValueError(f"{good} good of {total} requests")
        if total == 0:
            return self
        return Evidence(self.good + good, self.total + total, self.scrapes + 1, self.spread + good * (good / total))

    @property
    def share(self) -> float | None:
        """Return the share of good requests in 0–1, None without requests."""
        return self.good / self.total if self.total else None

    @property
    def smoothed_share(self) -> float:
        """Return the share that the verdict computes with, two good and two bad requests added; in 0–1, exclusive."""
        return (self.good + PSEUDO_GOOD) / (self.total + PSEUDO_TOTAL)

    @property
    def dispersion(self) -> float:
        """Return Pearson's χ² of the per-scrape counts over its degrees of freedom; ≥ 1, 1 before the eighth scrape."""
        if self.scrapes < SCRAPES_FOR_DISPERSION or not 0 < self.good < self.total:
            return 1.0
        share = self.good / self.total
        chi_squared = (self.spread - self.good * share) / (share * (1 - share))
        return max(1.0, chi_squared / (self.scrapes - 1))


@dataclass(frozen=True)
class Comparison:
    """One metric of one workload, compared.

    Attributes:
        metric: its name, such as `success` or `latency`.
        workload: the stable Deployment's name.
        decision: of this metric alone.
        baseline: its evidence.
        canary: its evidence.
        difference: canary's share minus baseline's, in −1–1; None without requests on either side.
        interval: continuously valid interval of the difference. Its lower end decides about PROMOTE and errs with
            probability `alpha` at most; its upper end decides about REJECT and errs with `reject_alpha` at most.
        tolerance: share by which the canary may be worse; None when nobody has said, and then nothing is decided.
        alpha: error level of PROMOTE.
        reject_alpha: error level of REJECT: `alpha` shared among the comparisons of the release.
        sentence: the comparison for a person.
    """

    metric: str
    workload: str
    decision: Decision
    baseline: Evidence
    canary: Evidence
    difference: float | None
    interval: tuple[float, float]
    tolerance: float | None
    alpha: float
    reject_alpha: float
    sentence: str = ""


@dataclass(frozen=True)
class Verdict:
    """What all comparisons of a release come to.

    Attributes:
        decision: PROMOTE if every comparison says so, REJECT if one does, else UNDECIDED.
        comparisons: one for each metric of each workload.
        sentence: for a person; names the metric that decided.
    """

    decision: Decision
    comparisons: tuple[Comparison, ...]
    sentence: str


def width(baseline: Evidence, canary: Evidence, alpha: float, dispersion: float | None = None) -> float:
    """Return how far the true difference may lie from the observed one, on one side, at error level `alpha`.

    Args:
        baseline: its evidence.
        canary: its evidence.
        alpha: error level, in 0–1, exclusive, over all looks together.
        dispersion: used for both variants instead of their own when given, ≥ 1.

    Returns:
        a difference of shares, > 0; infinite while a variant has no requests.
    """
    if not baseline.total or not canary.total:
        return math.inf
    variance = 0.0
    for evidence in (baseline, canary):
        share = evidence.smoothed_share
        scatter = evidence.dispersion if dispersion is None else dispersion
        variance += scatter * share * (1 - share) / evidence.total
    return math.sqrt(variance) * _boundary(2 / (1 / baseline.total + 1 / canary.total), alpha)


def share_interval(evidence: Evidence, alpha: float = 0.05) -> tuple[float, float]:
    """Return the interval, in 0–1, that holds a variant's share at all looks together with probability 1 − `alpha`."""
    if not evidence.total:
        return 0.0, 1.0
    share = evidence.smoothed_share
    reach = math.sqrt(evidence.dispersion * share * (1 - share) / evidence.total) * _boundary(evidence.total, alpha / 2)
    return max(0.0, share - reach), min(1.0, share + reach)


def compare(
    baseline: Evidence,
    canary: Evidence,
    *,
    tolerance: float | None,
    alpha: float = 0.05,
    comparisons: int = 1,
    dispersion: float | None = None,
    metric: str = "success",
    workload: str = "",
    quality: str = "good",
) -> Comparison:
    """Return what the evidence allows for one metric of one workload.

    Args:
        baseline: its evidence.
        canary: its evidence.
        tolerance: share by which the canary may be worse, in 0–1; without one nothing is decided.
        alpha: error level over all looks together, in 0–1, exclusive.
        comparisons: how many comparisons the release has; REJECT is decided at `alpha / comparisons`.
        dispersion: used for both variants instead of what their scrapes show.
        metric: its name.
        workload: the stable Deployment's name.
        quality: what a good request is called in sentences: `good`, `within 250 ms`.

    Raises:
        InputError: a number lies outside its range.
    """
    _check(baseline, canary, tolerance=tolerance, alpha=alpha, comparisons=comparisons)
    if dispersion is not None and not 1 <= dispersion < math.inf:
        raise InputError(f"dispersion {dispersion:g}: give 1 (none beyond chance) or more")
    reject_alpha = alpha / comparisons
    decision, difference, interval = Decision.UNDECIDED, None, (-1.0, 1.0)
    if baseline.share is not None and canary.share is not None:
        difference = canary.share - baseline.share
        observed = canary.smoothed_share - baseline.smoothed_share
        interval = (
            max(-1.0, observed - width(baseline, canary, alpha, dispersion)),
            min(1.0, observed + width(baseline, canary, reject_alpha, dispersion)),
        )
        if tolerance is not None and interval[0] > -tolerance:
            decision = Decision.PROMOTE
        elif tolerance is not None and interval[1] < -tolerance:
            decision = Decision.REJECT
    comparison = Comparison(
        metric, workload, decision, baseline, canary, difference, interval, tolerance, alpha, reject_alpha
    )
    return replace(comparison, sentence=_sentence(comparison, quality))


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
            return Verdict(decision, tuple(comparisons), "; ".join(_named(one, comparisons) for one in chosen))
    return Verdict(Decision.UNDECIDED, (), "nothing to compare")


def tolerated(tolerance: float, baseline_share: float | None) -> str:
    """Return a sentence about the worst canary that a tolerance still promotes, as a multiple of the baseline's errors.

    Args:
        tolerance: share by which the canary may be worse.
        baseline_share: the baseline's share of good requests, None while unknown.
    """
    points = _points(tolerance, decimals(tolerance))
    promotes = f"a tolerance of {points} points promotes"
    if baseline_share is None:
        return f"{promotes} a canary that fails {points} in 100 requests more than the baseline"
    if tolerance >= baseline_share:
        return f"{promotes} any canary: the baseline has only {baseline_share * 100:.1f} % good"
    errors = 1 - baseline_share
    if errors < tolerance / 1000:
        return f"{promotes} a canary that fails {points} % of requests, where the baseline fails none"
    times = (errors + tolerance) / errors
    return f"{promotes} up to {times:.{1 if times < 10 else 0}f} times the baseline's errors"


def _boundary(requests: float, alpha: float) -> float:
    """Return how many standard errors the width is, on one side, after so many requests."""
    information = requests * RHO_SQUARED
    mixture = math.log1p(math.sqrt(information + 1) / (2 * alpha))
    return math.sqrt(2 * (information + 1) / information * mixture)


def _check(baseline: Evidence, canary: Evidence, *, tolerance: float | None, alpha: float, comparisons: int) -> None:
    for name, evidence in (("baseline", baseline), ("canary", canary)):
        if not 0 <= evidence.good <= evidence.total < math.inf:
            raise InputError(f"{name}: {evidence.good:g} good of {evidence.total:g} requests is impossible")
    if tolerance is not None and not 0 <= tolerance <= 1:
        raise InputError(f"tolerance {tolerance:g}: give a share from 0 to 1, such as 0.05 for five points")
    if not 0 < alpha < 1:
        raise InputError(f"alpha {alpha:g}: give an error level between 0 and 1, such as 0.05")
    if comparisons < 1:
        raise InputError(f"{comparisons} comparisons: a release has at least one")


def _sentence(comparison: Comparison, quality: str) -> str:
    canary, baseline = comparison.canary, comparison.baseline
    requests = (
        f"{canary.total:,.0f} requests each"
        if round(canary.total) == round(baseline.total)
        else f"{canary.total:,.0f} and {baseline.total:,.0f} requests"
    )
    if comparison.difference is None:
        silent = [name for name, one in (("canary", canary), ("baseline", baseline)) if not one.total]
        return f"no requests to {' and '.join(silent)} yet" + ("" if len(silent) == 2 else f" ({requests})")
    low, high = comparison.interval
    tolerance, precision = comparison.tolerance, decimals(comparison.tolerance)
    if low > 0:
        range_ = f"at least {_points(low, precision)}"
    elif high < 0:
        range_ = f"at least {_points(-high, precision)}"
    elif comparison.decision is Decision.PROMOTE:
        range_ = f"at most {_points(-low, precision)} worse"
    else:
        range_ = f"between {_points(-low, precision)} worse and {_points(high, precision)} better"
    limit = "" if tolerance is None or low > 0 else f"; {_points(tolerance, precision)} is tolerated"
    points = _points(abs(comparison.difference), precision)
    outcome = (
        "equal" if float(points) == 0 else f"{'better' if comparison.difference > 0 else 'worse'} by {points} points"
    )
    shares = [_points(one.good / one.total, precision) for one in (canary, baseline)]
    return f"canary {shares[0]} % {quality} vs baseline {shares[1]} %: {outcome} ({range_}{limit}), {requests}"


def _named(comparison: Comparison, comparisons: Sequence[Comparison]) -> str:
    """Return the comparison's sentence, led by workload and metric where the release has several of them."""
    names = []
    if len({one.workload for one in comparisons}) > 1:
        names.append(comparison.workload)
    if len({one.metric for one in comparisons}) > 1:
        names.append(comparison.metric)
    return ": ".join([" ".join(names), comparison.sentence]) if names else comparison.sentence


def decimals(tolerance: float | None) -> int:
    """Return how many decimals of a percentage suit a tolerance: one, or more where it is less than a point."""
    if not tolerance:
        return 1
    return min(6, max(1, 1 - math.floor(math.log10(tolerance * 100) + 1e-9)))


def _points(share: float, decimals: int) -> str:
    return f"{share * 100:.{decimals}f}"
