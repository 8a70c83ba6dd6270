"""What a tolerance means for a service: the worst canary that it still promotes."""

from __future__ import annotations

import math

from canary.verdict.confidence import share_interval
from canary.verdict.evidence import ROUNDING, Evidence
from canary.verdict.multiples import WAY_OUT
from canary.verdict.tolerance import Multiple, Tolerance, decimals


def tolerated(tolerance: Tolerance, baseline_share: float | None) -> str:
    """Return a sentence about the worst canary that a tolerance still promotes.

    Of an absolute tolerance it gives the multiple of the baseline's errors, of a relative one the share of errors.

    Args:
        tolerance: how much worse the canary may be.
        baseline_share: the baseline's share of good requests, None while unknown.
    """
    if isinstance(tolerance, Multiple):
        return _errors(tolerance, baseline_share)
    points = f"{tolerance * 100:.{decimals(tolerance)}f}"
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
    digits = 0 if times >= 10 else max(1, math.ceil(-math.log10(times - 1)))
    worse = f"a canary with up to {times:.{digits}f} times the baseline's errors"
    return f"{tolerant} {worse} is still promoted"


def is_known(tolerance: Tolerance, baseline: Evidence) -> bool:
    """Return whether the baseline has answered enough to say what a tolerance means.

    That every canary is promoted is a strong claim, for which a few requests do not suffice: by chance, hardly any of
    them may be good.
    """
    if isinstance(tolerance, Multiple) or baseline.share is None or baseline.share > tolerance:
        return True
    _, high = share_interval(baseline)
    return high <= tolerance


def _errors(tolerance: Multiple, baseline_share: float | None) -> str:
    tolerant = f"with a tolerance of {tolerance}"
    if baseline_share is None:
        return f"{tolerant} a canary with {tolerance.times:g} times the baseline's errors is still promoted"
    errors = 1 - baseline_share
    if errors <= ROUNDING:
        return f"{tolerant} nothing is promoted while the baseline has no errors: so far it has none; {WAY_OUT}"
    digits = decimals(errors)
    if tolerance.times * errors >= 1:
        return f"{tolerant} every canary is promoted, because the baseline fails {errors * 100:.{digits}f} % itself"
    return (
        f"{tolerant} a canary that fails {tolerance.times * errors * 100:.{digits}f} % of its requests is still "
        f"promoted; the baseline fails {errors * 100:.{digits}f} %"
    )
