"""What a funnel says, in words: for its header, and for those who do not see it."""

from __future__ import annotations

import math

from canary.chart.closing_in import signed, tolerance_text
from canary.chart.frame import elapsed
from canary.chart.over_time import Funnel, Point
from canary.verdict.comparison import Decision
from canary.verdict.forecast import HORIZON, Forecast
from canary.verdict.tolerance import Multiple, decimals

NOTHING_YET = "no answers of both variants yet"
EQUAL = "equal"


def meaning(funnel: Funnel) -> list[str]:
    """Return what the axis shows: in many words, and in fewer."""
    if funnel.kind == "difference":
        return [f"canary − baseline, in {points}: up is better" for points in ("percentage points", "points")]
    return ["the canary's errors ÷ the baseline's: down is better", "canary's errors ÷ baseline's: down is better"]


def latest(funnel: Funnel) -> list[str]:
    """Return what the last point says: in many words, and in fewer; empty texts without points."""
    if not funnel.points:
        return [""]
    last = funnel.points[-1]
    if funnel.kind == "ratio":
        if last.middle is None:
            return ["the baseline has no errors yet"]
        high = "…" if last.high == math.inf else _times(last.high)
        ends = f"({_times(last.low)} to {high})"
        return [f"latest: {_times(last.middle)} the errors {ends}", f"latest: {_times(last.middle)} {ends}"]
    digits = _digits(funnel, last)
    ends = f"({signed(last.low * 100, digits)} to {signed(last.high * 100, digits)})"
    if last.middle is None:
        return [f"latest: {ends}"]
    outcome = _outcome(last.middle, digits)
    return [f"latest: {outcome} {ends}", f"{outcome} {ends}", f"{outcome.replace(' points', '')} {ends}"]


def expected(funnel: Funnel) -> list[str]:
    """Return which decision to expect, and when: in many words, and in fewer; empty texts if that cannot be said."""
    found = funnel.expected
    if not funnel.points or found is None or decision_of(funnel) or found.seconds == 0:
        return [""]
    time = time_left(found)
    return [f"{found.decision} expected: {time}", f"{found.decision} expected: {time.removesuffix(' at this traffic')}"]


def time_left(forecast: Forecast) -> str:
    """Return how much longer it may take: `about 3 minutes more at this traffic`."""
    seconds = forecast.seconds
    if seconds is None or seconds > HORIZON:
        return "more than an hour at this traffic"
    if seconds <= 50:
        return f"about {max(1, math.ceil(seconds / 10)) * 10} seconds more at this traffic"
    minutes = max(1, round(seconds / 60))
    return f"about {minutes} {'minute' if minutes == 1 else 'minutes'} more at this traffic"


def decision_of(funnel: Funnel) -> Decision | None:
    """Return the decision, None while there is none."""
    decided = funnel.decided
    return None if decided is None or decided[1] is Decision.UNDECIDED else decided[1]


def decided_text(funnel: Funnel, began: float) -> str:
    """Return the decision and when it was: `PROMOTE after 4 min 30 s`; empty while there is none."""
    decision = decision_of(funnel)
    return f"{decision} after {elapsed(funnel.decided[0] - began)}" if funnel.decided and decision else ""


def sentence(funnel: Funnel, began: float) -> str:
    """Return everything that the picture says."""
    parts = [_difference(funnel)]
    if funnel.edge is not None:
        within = "PROMOTE needs the whole interval on the better side of it, REJECT on the worse side"
        parts.append(f"The tolerance is {tolerance_text(funnel)}: {within}.")
    else:
        parts.append("No tolerance is set, so nothing is decided.")
    if decided := decided_text(funnel, began):
        parts.append(f"{decided}.")
    elif coming := expected(funnel)[0]:
        parts.append(f"{coming}.")
    if funnel.acted:
        parts.append(f"{funnel.acted[1]} after {elapsed(funnel.acted[0] - began)}.")
    return " ".join(parts)


def _difference(funnel: Funnel) -> str:
    if not funnel.points:
        return f"There are {NOTHING_YET}."
    last = funnel.points[-1]
    if funnel.kind == "ratio":
        if last.middle is None:
            return "The baseline has no errors yet, so there is no ratio of errors."
        ends = f"at least {_times(last.low)}" if last.high == math.inf else f"{_times(last.low)} to {_times(last.high)}"
        return f"The canary has {_times(last.middle)} the baseline's errors (interval: {ends})."
    low, high = (f"{signed(one * 100, _digits(funnel, last))}" for one in (last.low, last.high))
    interval = f"(interval: {low} to {high} points)"
    if last.middle is None:
        return f"There is no difference yet {interval}."
    outcome = _outcome(last.middle, _digits(funnel, last))
    if outcome == EQUAL:
        return f"Canary and baseline are equal {interval}."
    return f"The canary is {outcome} than the baseline {interval}."


def _outcome(difference: float, digits: int) -> str:
    points = f"{abs(difference) * 100:.{digits}f}"
    return EQUAL if float(points) == 0 else f"{points} points {'better' if difference > 0 else 'worse'}"


def _digits(funnel: Funnel, last: Point) -> int:
    """Return how many decimals suit: those of the tolerance, or of the interval if its ends would be the same."""
    tolerance = None if isinstance(funnel.tolerance, Multiple) else funnel.tolerance
    digits = decimals(tolerance or last.high - last.low)
    low, high = (round(one * 100, digits) for one in (last.low, last.high))
    return decimals(last.high - last.low) if low == high else digits


def _times(ratio: float) -> str:
    return f"{ratio:.3g}x" if ratio < 1e4 else "more than 10,000x"
