"""The verdict: a continuously valid non-inferiority test of a canary against its baseline.

You can check it after every scrape: the error levels hold for all checks together, not only for one. Each variant has n
requests, of which s are good, both divided by the dispersion φ (see `dispersion`):

    p     = (s + 2) / (n + 4)                      shares, moved a little towards one half (Agresti and Coull 1998)
    d     = p_canary − p_baseline
    m     = harmonic mean of the two n
    v     = Σ p (1 − p) / n
    ρ²    = tolerance / 4                          makes the width tightest about when an equal canary can be promoted
    width = √v · √(2 (m ρ² + 1) / (m ρ²) · log(1 + √(m ρ² + 1) / (2 α)))

    PROMOTE when d − width(α) > −tolerance                          the canary is not worse by more than the tolerance
    REJECT  when d + width(α / (10 · comparisons)) < −tolerance     the canary is worse by more than the tolerance

`width` is the one-sided asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences" (2021): a Gaussian mixture, in the manner of
Robbins, "Statistical methods related to the law of the iterated logarithm" (1970). `docs/verdict.md` compares these
constants with alternatives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from canary.errors import InputError

PSEUDO_GOOD = 2.0
PSEUDO_TOTAL = 4.0
REJECT_SHARE = 10  # REJECT errs ten times less often, so that a canary with a slow start survives
SMALLEST_TOLERANCE = 1e-4  # only for ρ²
USUAL_TOLERANCE = 0.02  # only for ρ², where no tolerance is set
SCRAPES_FOR_DISPERSION = 8
PRESUMED_CORRELATION = 0.05  # of the answers within one scrape, until there are enough scrapes to measure it


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
        scrapes: number of scrapes that counted requests.
        spread: sum of good² / total over those scrapes. The dispersion follows from it, so single scrapes are not kept.
    """

    good: float = 0.0
    total: float = 0.0
    scrapes: int = 0
    spread: float = 0.0

    def add(self, good: float, total: float) -> Evidence:
        """Return the evidence with one more scrape's requests (`total` new ones, of which `good` were good).

        A scrape without requests changes nothing.
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
    def chi_squared(self) -> float:
        """Return Pearson's χ² of the per-scrape counts, 0 where all or none were good."""
        if not 0 < self.good < self.total:
            return 0.0
        share = self.good / self.total
        return max(0.0, self.spread - self.good * share) / (share * (1 - share))


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
        tolerance: share by which the canary may be worse; None when it is not set, and then nothing is decided.
        alpha: error level of PROMOTE.
        reject_alpha: error level of REJECT, shared among the comparisons of the release.
        dispersion: how much more the counts scatter than by chance, ≥ 1.
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
    dispersion: float
    sentence: str = ""


@dataclass(frozen=True)
class Verdict:
    """The result of all comparisons of a release.

    Attributes:
        decision: PROMOTE if every comparison says so, REJECT if one does, else UNDECIDED.
        comparisons: one for each metric of each workload.
        sentence: for a person; names the metric that decided.
    """

    decision: Decision
    comparisons: tuple[Comparison, ...]
    sentence: str


def dispersion(*variants: Evidence) -> float:
    """Return how much more the counts of scrapes scatter than by chance, over all variants; 1 is pure chance.

    Answers of the same moment resemble each other, so they carry less information than independent ones: one error
    counts as `1 / dispersion` errors. From the eighth scrape of each variant on, the value is Pearson's χ² over its
    degrees of freedom. It is slightly enlarged while there are few scrapes or errors, and never below 1. Before the
    eighth scrape, a correlation of 0.05 within a scrape is presumed, so that a handful of scrapes decides only if the
    difference is overwhelming. Counts without scrapes, given by hand, are taken as independent.
    """
    scraped = [one for one in variants if one.scrapes]
    if not scraped:
        return 1.0
    if min(one.scrapes for one in scraped) < SCRAPES_FOR_DISPERSION:
        largest = max(one.total / one.scrapes for one in scraped)
        return max(1.0, 1 + PRESUMED_CORRELATION * (largest - 1))
    mixed = [one for one in scraped if 0 < one.good < one.total]
    if not mixed:
        return 1.0
    ratio = sum(one.chi_squared for one in mixed) / sum(one.scrapes - 1 for one in mixed)
    known_by = sum(min(one.scrapes - 1, one.good, one.total - one.good) for one in mixed)
    return max(1.0, (1 + 2 / known_by) * ratio)


def width(
    baseline: Evidence, canary: Evidence, alpha: float, *, tolerance: float | None = None, scatter: float = 1.0
) -> float:
    """Return how far the true difference may be from the observed one, on one side, at error level `alpha`.

    Args:
        baseline: its evidence.
        canary: its evidence.
        alpha: error level, in 0–1, exclusive, over all checks together.
        tolerance: the width is tightest for this one, and valid for any.
        scatter: the dispersion, ≥ 1.

    Returns:
        a difference of shares, > 0; infinite while a variant has no requests.
    """
    if not baseline.total or not canary.total:
        return math.inf
    independent = [one.total / scatter for one in (baseline, canary)]
    shares = [_smoothed_share(one, scatter) for one in (baseline, canary)]
    variance = sum(share * (1 - share) / n for share, n in zip(shares, independent, strict=True))
    return math.sqrt(variance) * _boundary(2 / sum(1 / n for n in independent), alpha, tolerance)


def share_interval(evidence: Evidence, alpha: float = 0.05) -> tuple[float, float]:
    """Return the interval, in 0–1, that contains a variant's share at all checks with probability 1 − `alpha`."""
    if not evidence.total:
        return 0.0, 1.0
    scatter = dispersion(evidence)
    independent, share = evidence.total / scatter, _smoothed_share(evidence, scatter)
    reach = math.sqrt(share * (1 - share) / independent) * _boundary(independent, alpha / 2, None)
    return max(0.0, share - reach), min(1.0, share + reach)


def compare(
    baseline: Evidence,
    canary: Evidence,
    *,
    tolerance: float | None,
    alpha: float = 0.05,
    comparisons: int = 1,
    scatter: float | None = None,
    metric: str = "success",
    workload: str = "",
    quality: str = "good",
) -> Comparison:
    """Return what the evidence allows for one metric of one workload.

    Args:
        baseline: its evidence.
        canary: its evidence.
        tolerance: share by which the canary may be worse, in 0–1; without one nothing is decided.
        alpha: error level over all checks together, in 0–1, exclusive.
        comparisons: how many comparisons the release has; they share the error level of REJECT.
        scatter: the dispersion, if it is not to be measured from the scrapes.
        metric: its name.
        workload: the stable Deployment's name.
        quality: what a good request is called in sentences: `good`, `within 250 ms`.

    Raises:
        InputError: a number lies outside its range.
    """
    _check(baseline, canary, tolerance=tolerance, alpha=alpha, comparisons=comparisons)
    if scatter is None:
        scatter = dispersion(baseline, canary)
    if not 1 <= scatter < math.inf:
        raise InputError(f"dispersion {scatter:g}: must be 1 (pure chance) or more")
    reject_alpha = alpha / (REJECT_SHARE * comparisons)
    decision, difference, interval = Decision.UNDECIDED, None, (-1.0, 1.0)
    if baseline.share is not None and canary.share is not None:
        difference = canary.share - baseline.share
        observed = _smoothed_share(canary, scatter) - _smoothed_share(baseline, scatter)
        interval = (
            max(-1.0, observed - width(baseline, canary, alpha, tolerance=tolerance, scatter=scatter)),
            min(1.0, observed + width(baseline, canary, reject_alpha, tolerance=tolerance, scatter=scatter)),
        )
        if tolerance is not None and interval[0] > -tolerance:
            decision = Decision.PROMOTE
        elif tolerance is not None and interval[1] < -tolerance:
            decision = Decision.REJECT
    comparison = Comparison(
        metric, workload, decision, baseline, canary, difference, interval, tolerance, alpha, reject_alpha, scatter
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
    tolerant = f"with a tolerance of {points} points"
    if baseline_share is None:
        return f"{tolerant} a canary with {points} more failed requests in 100 than the baseline is still promoted"
    if tolerance >= baseline_share:
        good = f"only {baseline_share * 100:.1f} % of the baseline's requests are good"
        return f"{tolerant} every canary is promoted, because {good}"
    errors = 1 - baseline_share
    if errors < tolerance / 1000:
        worse = f"a canary that fails {points} % of its requests"
        return f"{tolerant} {worse} is still promoted, although the baseline fails none"
    times = (errors + tolerance) / errors
    worse = f"a canary with up to {times:.{1 if times < 10 else 0}f} times the baseline's errors"
    return f"{tolerant} {worse} is still promoted"


def _smoothed_share(evidence: Evidence, scatter: float) -> float:
    return (evidence.good / scatter + PSEUDO_GOOD) / (evidence.total / scatter + PSEUDO_TOTAL)


def _boundary(requests: float, alpha: float, tolerance: float | None) -> float:
    """Return the width in standard errors, on one side, after this many requests."""
    rho_squared = max(SMALLEST_TOLERANCE, USUAL_TOLERANCE if tolerance is None else tolerance) / 4
    information = requests * rho_squared
    mixture = math.log1p(math.sqrt(information + 1) / (2 * alpha))
    return math.sqrt(2 * (information + 1) / information * mixture)


def _check(baseline: Evidence, canary: Evidence, *, tolerance: float | None, alpha: float, comparisons: int) -> None:
    for name, evidence in (("baseline", baseline), ("canary", canary)):
        if not 0 <= evidence.good <= evidence.total < math.inf:
            raise InputError(f"{name}: {evidence.good:g} good of {evidence.total:g} requests is impossible")
    if tolerance is not None and not 0 <= tolerance <= 1:
        raise InputError(f"tolerance {tolerance:g}: must be a share from 0 to 1, such as 0.05 for five points")
    if not 0 < alpha < 1:
        raise InputError(f"alpha {alpha:g}: must be an error level between 0 and 1, such as 0.05")
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
    scrapes = min(canary.scrapes, baseline.scrapes)
    if comparison.decision is Decision.UNDECIDED and 0 < scrapes < SCRAPES_FOR_DISPERSION:
        requests += f" in {scrapes} of {SCRAPES_FOR_DISPERSION} scrapes"
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
    limit = "" if tolerance is None or low > 0 else f"; tolerance {_points(tolerance, precision)}"
    points = _points(abs(comparison.difference), precision)
    outcome = (
        "equal" if float(points) == 0 else f"{'better' if comparison.difference > 0 else 'worse'} by {points} points"
    )
    shares = [_points(one.good / one.total, precision) for one in (canary, baseline)]
    return f"canary {shares[0]} % {quality} vs baseline {shares[1]} %: {outcome} ({range_}{limit}), {requests}"


def _difference(comparison: Comparison) -> str:
    difference = comparison.difference or 0.0
    points = _points(abs(difference), decimals(comparison.tolerance))
    return "equal" if float(points) == 0 else f"{points} points {'better' if difference > 0 else 'worse'}"


def _named(comparison: Comparison, comparisons: Sequence[Comparison]) -> str:
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


def decimals(tolerance: float | None) -> int:
    """Return how many decimals of a percentage suit a tolerance: one, or more if it is less than a point."""
    if not tolerance:
        return 1
    return min(6, max(1, 1 - math.floor(math.log10(tolerance * 100) + 1e-9)))


def _points(share: float, decimals: int) -> str:
    return f"{share * 100:.{decimals}f}"
