"""Evidence about a relative tolerance: an e-process on the errors of canary and baseline.

Given the errors of a scrape, of both variants, the canary's number of them follows a binomial distribution. A canary
with r times the baseline's share of errors has each of them with the probability

    p_r = r n_c / (r n_c + n_b)                    n answers of each variant

After N. Lindon and A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 35 (2022). Each scrape with
k errors multiplies the likelihood ratio of an alternative r against R, the tolerance:

    ln E += k_c ln(p_r / p_R) + k_b ln((1 − p_r) / (1 − p_R)) = k_c ln(r / R) − k ln((r n_c + n_b) / (R n_c + n_b))

The null hypothesis is that the canary has at least R times the baseline's share of errors e (PROMOTE: r < R), or at
most (REJECT: r > R). Under it, the expectation of the ratio is at most 1, also where errors are common and the
distribution is not binomial. For answers that are independent, with a = p_r / p_R and b = (1 − p_r) / (1 − p_R):

    ln E[a^k_c b^k_b] = n_c ln(1 + e_c (a − 1)) + n_b ln(1 + e_b (b − 1)) ≤ n_c e_c (a − 1) + n_b e_b (b − 1) ≤ 0

The last is 0 at e_c = R e_b, and falls from there into the null hypothesis. Where errors are common, the first ≤ is a
wide one: then a relative tolerance needs more requests than it would have to. Baseline and tolerance may change from
scrape to scrape.
"""

from __future__ import annotations

import math
from itertools import chain

from canary.verdict.eprocess import NONE, PROMOTE, REJECT, Ratios
from canary.verdict.evidence import ROUNDING, Evidence

HALF = 0.5  # of an error, added to those of both variants (Haldane 1956, Anscombe 1956)
LARGEST = 40.0  # logarithm of a ratio


def log_ratios(times: float, baseline: Evidence, canary: Evidence, *, most: float = math.inf) -> Ratios:
    """Return the logarithm of the likelihood ratio of each alternative for one scrape.

    The alternatives are r = R⁻ᵈ, for the differences d of `eprocess.py`: 1 for an equal canary, R² for one that is as
    far beyond the tolerance as an equal one is within it.

    Args:
        times: R, above 1.
        baseline: answers of this scrape, at least one.
        canary: answers of this scrape, at least one.
        most: errors of both variants by which the scrape counts at most. More errors of the same moment count less,
            each by the same factor: else a single incident would decide, whatever happens at all other times.
    """
    errors = baseline.bad + canary.bad
    if errors <= ROUNDING:
        return NONE
    factor = min(1.0, most / errors)
    found = []
    for difference, _ in chain(PROMOTE, REJECT):
        r = times**-difference
        both = math.log((r * canary.total + baseline.total) / (times * canary.total + baseline.total))
        found.append(factor * (canary.bad * math.log(r / times) - errors * both))
    return tuple(found)


def ratio_of(baseline: Evidence, canary: Evidence) -> float | None:
    """Return the canary's share of errors as a multiple of the baseline's, None if the baseline has no errors."""
    if baseline.bad <= ROUNDING:
        return None
    return canary.bad / canary.total / (baseline.bad / baseline.total) if canary.bad > ROUNDING else 0.0


def interval(
    baseline: Evidence,
    canary: Evidence,
    ratio: float | None,
    times: float,
    *,
    scatter: float,
    promote: tuple[float, float],
    reject: tuple[float, float],
) -> tuple[float, float]:
    """Return an interval of the ratio of errors that agrees with the evidence about one ratio, the tolerance.

    Its ends are where the evidence would be as large as its error level demands, if it changed as that of a normal
    distribution of the ratio's logarithm does. This is measured, not proven.

    Args:
        baseline: its answers, at least one.
        canary: its answers, at least one.
        ratio: of the errors, compared within each scrape; None where the baseline has none.
        times: the tolerance, above 1.
        scatter: the dispersion, ≥ 1.
        promote: logarithm of the evidence, and error level.
        reject: logarithm of the evidence, and error level.

    Returns:
        the lower end, and the upper end; infinite while the baseline has no errors.
    """
    errors = [one.bad / scatter + HALF for one in (baseline, canary)]
    centre = math.log(errors[1] / errors[0] * baseline.total / canary.total)
    if ratio and (of_all := ratio_of(baseline, canary)):
        centre += math.log(ratio / of_all)
    variance = sum(1 / one for one in errors)
    beyond = centre - math.log(times)

    def reach(evidence: float, level: float) -> float:
        wanted = -math.log(level)
        if evidence <= wanted:
            return math.sqrt(beyond**2 + 2 * variance * (wanted - evidence))
        return abs(beyond) * math.sqrt(wanted / evidence)

    low = math.exp(min(centre - reach(*reject), LARGEST)) if canary.bad else 0.0
    high = math.inf if ratio is None else math.exp(min(centre + reach(*promote), LARGEST))
    if ratio is not None:
        low, high = min(low, ratio), max(high, ratio)
    return low, high
