"""Sentences about a relative tolerance: multiples of the baseline's errors."""

from __future__ import annotations

import math

from canary.verdict.error_ratio import ratio_of
from canary.verdict.evidence import ROUNDING, Evidence
from canary.verdict.tolerance import Multiple, decimals

MOST_SHOWN = 1000.0

WAY_OUT = "an absolute tolerance, such as 0.001, can decide without errors"


def errors_compared(
    baseline: Evidence,
    canary: Evidence,
    ratio: float | None,
    interval: tuple[float, float],
    tolerance: Multiple,
    *,
    bound: str,
    quality: str,
    requests: str,
) -> str:
    """Return a comparison by a relative tolerance for a person.

    Args:
        baseline: its answers, at least one.
        canary: its answers, at least one.
        ratio: the canary's share of errors as a multiple of the baseline's, None while the baseline has none.
        interval: of the ratio.
        tolerance: the largest ratio that is promoted.
        bound: `at most` if PROMOTE, `at least` if REJECT, else empty.
        quality: what a good request is called: `good`, `within 250 ms`.
        requests: how many there were, in words.
    """
    errors, bad = ("errors", "failed") if quality == "good" else (f"requests not {quality}", f"not {quality}")
    if ratio is None and canary.bad <= ROUNDING:
        return f"no {errors} of canary or baseline, so a tolerance of {tolerance} cannot decide; {WAY_OUT} ({requests})"
    digits = share_decimals(baseline, canary)
    shares = [f"{one.bad / one.total * 100:.{digits}f} %" for one in (canary, baseline)]
    low, high = (times(end, tolerance) for end in interval)
    if bound == "at most":
        range_ = f"at most {high} times"
    elif not bound and interval[1] > MOST_SHOWN and float(low) == 0:
        range_ = ""
    elif bound or interval[1] > MOST_SHOWN:
        range_ = f"at least {low} times"
    else:
        range_ = f"between {low} and {high} times"
    way_out = ""
    if ratio is None:
        outcome = f"the baseline has no {errors}"
        way_out = "" if bound else f"; {WAY_OUT}"
    else:
        shown = times(ratio, tolerance)
        outcome = "equal" if float(shown.replace(",", "")) == 1 else f"{shown} times the {errors}"
        if ratio != ratio_of(baseline, canary):
            outcome += " within the same scrapes"
    vs = f"canary {shares[0]} {bad} vs baseline {shares[1]}"
    limits = "; ".join(filter(None, (range_, f"tolerance {tolerance}")))
    return f"{vs}: {outcome} ({limits}), {requests}{way_out}"


def share_decimals(baseline: Evidence, canary: Evidence) -> int:
    """Return how many decimals of a percentage suit the shares of errors: two digits of the smaller one."""
    return decimals(min((one.bad / one.total for one in (baseline, canary) if one.bad > ROUNDING), default=None))


def times(ratio: float, tolerance: Multiple) -> str:
    """Return a ratio as a number, as precise as suits the tolerance."""
    if ratio > MOST_SHOWN:
        return f"{MOST_SHOWN:,.0f}"
    digits = min(6, max(1, 1 - math.floor(math.log10(tolerance.times - 1) + 1e-9)))
    return f"{ratio:.{digits}f}"
