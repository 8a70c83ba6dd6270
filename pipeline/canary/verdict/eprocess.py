"""Evidence about the tolerance: a restricted 2×2 e-process, exact for independent answers at every number of them.

After R. Turner, A. Ly and P. Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional
stopping", Journal of Statistical Planning and Inference 230 (2024). Each scrape multiplies the likelihood ratio of an
alternative (q_b, q_c), predicted from earlier scrapes only, against the nearest point (x, y) of the line y = x − τ. τ
is the tolerance. The nearest point has the least Kullback–Leibler divergence, weighted by the variants' answers n:

    f(x) = n_b (q_b − x) / (x (1 − x)) + n_c (q_c − y) / (y (1 − y)) = 0

The null hypothesis "the canary is worse by τ or more" is convex, so the expectation of this ratio is at most 1 for all
of it, whatever the shares were in earlier scrapes. So is that of a weighted mean over several alternatives, and it
exceeds 1/α at any look with probability α at most (Ville's inequality). REJECT is the same with the other half-plane.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain

from canary.verdict.evidence import Evidence

PROMOTE = ((0.0, 0.55), (-0.5, 0.15), (-0.8, 0.05), (1.0, 0.25))
REJECT = ((-2.0, 0.55), (-1.5, 0.15), (-3.0, 0.15), (-8.0, 0.10), (-32.0, 0.05))
"""Differences of the alternatives, in tolerances, with their weights."""

STEP = 0.02
"""Unit of these differences where the tolerance is 0."""

LEAST_SHARE = 1e-9  # alternatives are not nearer to 0 and 1, so that one answer rules none of them out
LARGEST_TOLERANCE = 1 - 1e-6  # with more, the line has no point but (1, 0)
EDGE = 1e-15  # points of the line are not nearer to 0 and 1

Ratios = tuple[float, ...]
"""The logarithm of the likelihood ratio of each alternative: those for PROMOTE, then those for REJECT."""

NONE: Ratios = (0.0,) * (len(PROMOTE) + len(REJECT))


def log_ratios(tolerance: float, predicted: float, baseline: Evidence, canary: Evidence) -> Ratios:
    """Return the logarithm of the likelihood ratio of each alternative for one scrape.

    Args:
        tolerance: share by which the canary may be worse, in 0–1.
        predicted: share of good answers of both variants that earlier scrapes predict, in 0–1.
        baseline: answers of this scrape, at least one.
        canary: answers of this scrape, at least one.
    """
    tolerance = min(tolerance, LARGEST_TOLERANCE)
    part = canary.total / (baseline.total + canary.total)
    unit = tolerance or STEP
    found = []
    for place, (difference, _) in enumerate(chain(PROMOTE, REJECT)):
        q_b = _inside(predicted - difference * unit * part)
        q_c = _inside(predicted + difference * unit * (1 - part))
        beyond = q_c - (q_b - tolerance)
        if (beyond if place < len(PROMOTE) else -beyond) <= 0:  # the null hypothesis contains it
            found.append(0.0)
            continue
        x = nearest(q_b, q_c, baseline.total, canary.total, tolerance)
        found.append(_log_ratio(baseline, q_b, x) + _log_ratio(canary, q_c, x - tolerance))
    return tuple(found)


def nearest(q_b: float, q_c: float, n_b: float, n_c: float, tolerance: float) -> float:
    """Return the baseline's share at the point of the line of the tolerance that is nearest to (q_b, q_c).

    The root of f lies between q_b and q_c + τ, where f falls. Newton's method stays in this bracket by bisection. f is
    multiplied by its denominators, which changes neither root nor sign.
    """
    lower, upper = sorted(min(1.0, max(tolerance, end)) for end in (q_b, q_c + tolerance))
    x = (lower + upper) / 2
    for _ in range(100):
        y = x - tolerance
        slope_b, slope_c, spread_b, spread_c = n_b * (q_b - x), n_c * (q_c - y), x * (1 - x), y * (1 - y)
        value = slope_b * spread_c + slope_c * spread_b
        derivative = slope_b * (1 - 2 * y) - n_b * spread_c + slope_c * (1 - 2 * x) - n_c * spread_b
        lower, upper = x if value >= 0 else lower, x if value <= 0 else upper
        following = x - value / derivative if derivative else math.inf
        if not lower <= following <= upper:
            following = (lower + upper) / 2
        if abs(following - x) <= 4e-16 * x:
            break
        x = following
    return min(max(x, tolerance + EDGE), 1 - EDGE)


def log_evidence(ratios: Ratios, scatter: float) -> tuple[float, float]:
    """Return the natural logarithms of the evidence for PROMOTE and for REJECT, with this dispersion (≥ 1)."""
    many, scaled = len(PROMOTE), [ratio / scatter for ratio in ratios]
    return log_mean(PROMOTE, scaled[:many]), log_mean(REJECT, scaled[many:])


def log_mean(alternatives: Sequence[tuple[float, float]], ratios: Iterable[float]) -> float:
    """Return the logarithm of the weighted mean of likelihood ratios, given their logarithms."""
    weighted = [ratio + math.log(weight) for ratio, (_, weight) in zip(ratios, alternatives, strict=True)]
    largest = max(weighted)
    return largest + math.log(sum(math.exp(one - largest) for one in weighted))


def _log_ratio(evidence: Evidence, alternative: float, null: float) -> float:
    return evidence.good * math.log(alternative / null) + evidence.bad * math.log((1 - alternative) / (1 - null))


def _inside(share: float) -> float:
    return min(max(share, LEAST_SHARE), 1 - LEAST_SHARE)
