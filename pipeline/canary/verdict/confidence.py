"""How far a difference of shares may be from the observed one, at every look: a confidence sequence.

Each variant has n requests, of which s are good, both divided by the dispersion φ:

    p     = (s + 2) / (n + 4)                      shares, moved a little towards one half (Agresti and Coull 1998)
    m     = harmonic mean of the two n
    v     = Σ p (1 − p) / n
    ρ²    = tolerance / 4                          makes the width tightest about when an equal canary can be promoted
    width = √v · √(2 (m ρ² + 1) / (m ρ²) · log(1 + √(m ρ² + 1) / (2 α)))

`width` is the one-sided asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences" (2021): a Gaussian mixture, in the manner of
Robbins, "Statistical methods related to the law of the iterated logarithm" (1970).
"""

from __future__ import annotations

import math

from canary.verdict.evidence import Evidence

PSEUDO_GOOD = 2.0
PSEUDO_TOTAL = 4.0
SMALLEST_TOLERANCE = 1e-4  # only for ρ²
USUAL_TOLERANCE = 0.02  # only for ρ², where no tolerance is set


def width(
    baseline: Evidence,
    canary: Evidence,
    alpha: float,
    *,
    tolerance: float | None = None,
    scatter: float = 1.0,
    stretch: float = 1.0,
) -> float:
    """Return how far the true difference may be from the observed one, on one side, at error level `alpha`.

    Args:
        baseline: its evidence.
        canary: its evidence.
        alpha: error level, in 0–1, exclusive, over all checks together.
        tolerance: the width is tightest for this one, and valid for any.
        scatter: the dispersion, ≥ 1.
        stretch: how much larger the variance is, because the difference is one of scrapes with changing traffic, ≥ 1.

    Returns:
        a difference of shares, > 0; infinite while a variant has no requests.
    """
    if not baseline.total or not canary.total:
        return math.inf
    independent = [one.total / scatter for one in (baseline, canary)]
    shares = [smoothed_share(one, scatter) for one in (baseline, canary)]
    variance = sum(share * (1 - share) / n for share, n in zip(shares, independent, strict=True))
    requests = 2 / sum(1 / n for n in independent)
    return math.sqrt(variance * stretch) * _boundary(requests / stretch, alpha, tolerance)


def share_interval(evidence: Evidence, alpha: float = 0.05) -> tuple[float, float]:
    """Return the interval, in 0–1, that contains a variant's share at all checks with probability 1 − `alpha`."""
    if not evidence.total:
        return 0.0, 1.0
    share = smoothed_share(evidence)
    reach = math.sqrt(share * (1 - share) / evidence.total) * _boundary(evidence.total, alpha / 2, None)
    return max(0.0, share - reach), min(1.0, share + reach)


def smoothed_share(evidence: Evidence, scatter: float = 1.0) -> float:
    """Return the share of good requests, moved a little towards one half, in 0–1, exclusive."""
    return (evidence.good / scatter + PSEUDO_GOOD) / (evidence.total / scatter + PSEUDO_TOTAL)


def _boundary(requests: float, alpha: float, tolerance: float | None) -> float:
    """Return the width in standard errors, on one side, after this many requests."""
    rho_squared = max(SMALLEST_TOLERANCE, USUAL_TOLERANCE if tolerance is None else tolerance) / 4
    information = requests * rho_squared
    mixture = math.log1p(math.sqrt(information + 1) / (2 * alpha))
    return math.sqrt(2 * (information + 1) / information * mixture)
