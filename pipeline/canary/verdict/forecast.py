"""How long until a decision, if everything stays as it is: the shares, their difference and the traffic.

Every sum of the strata grows in proportion, and the evidence by what a scrape with the mean number of answers adds, of
which the observed shares are good: the logarithms of the likelihood ratios are linear in the counts. The rule itself
then says whether it decides. A forecast is an estimate, no bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from canary.verdict.comparison import Comparison, Decision
from canary.verdict.evidence import NOTHING, Evidence
from canary.verdict.rule import compare_strata
from canary.verdict.strata import LEAST_SCRAPES, Strata
from canary.verdict.tolerance import Multiple, Tolerance

HORIZON = 3600.0
"""Seconds beyond which a forecast only says that it takes longer."""

CLEAR = 1.0
"""Standard errors from the tolerance within which it is not clear which decision to expect."""

LUCK = 0.35
"""Standard errors by which the difference is expected to move towards the decision. Without it, forecasts are too long
in most releases, because the evidence crosses its threshold at a fluctuation in its favour. The test measures this."""


@dataclass(frozen=True)
class Forecast:
    """The decision to expect.

    Attributes:
        decision: PROMOTE or REJECT.
        seconds: until then; None if it takes more than an hour.
    """

    decision: Decision
    seconds: float | None

    def __str__(self) -> str:
        if self.seconds is None:
            time = "more than an hour"
        elif self.seconds <= 50:
            time = f"about {max(1, math.ceil(self.seconds / 10)) * 10} s"
        else:
            time = f"about {max(1, round(self.seconds / 60))} min"
        return f"{self.decision} in {time} if the difference stays"


def forecast(strata: Strata, comparison: Comparison, *, comparisons: int, seconds: float) -> Forecast | None:
    """Return the decision to expect on one metric, None if that cannot be said.

    It cannot be said after few scrapes, nor of a difference near the tolerance.

    Args:
        strata: what both variants have shown, with the tolerance.
        comparison: of these strata.
        comparisons: how many comparisons the release has.
        seconds: from one scrape with answers of both to the next one.
    """
    if comparison.decision is not Decision.UNDECIDED:
        return Forecast(comparison.decision, 0.0)
    if strata.tolerance is None or strata.scrapes < LEAST_SCRAPES or not 0 < seconds < math.inf:
        return None

    if (distance := _distance(strata, strata.tolerance)) is None:
        return None
    beyond, error, shares = distance
    if abs(beyond) < CLEAR * error:
        return None
    lucky = math.copysign(LUCK * error, beyond) * shares

    def decision(scrapes: int) -> Decision:
        after = _after(strata, scrapes, lucky * math.sqrt(1 + strata.scrapes / scrapes))
        return compare_strata(after, alpha=comparison.alpha, comparisons=comparisons).decision

    limit = max(1, math.ceil(HORIZON / seconds))
    least, most = 0, 1
    while (found := decision(most)) is Decision.UNDECIDED:
        if most >= limit:
            return Forecast(Decision.PROMOTE if beyond > 0 else Decision.REJECT, None)
        least, most = most, min(limit, 2 * most)
    while most - least > 1:
        middle = (least + most) // 2
        if decision(middle) is Decision.UNDECIDED:
            least = middle
        else:
            most = middle
    return Forecast(found, most * seconds)


def _after(strata: Strata, scrapes: int, lucky: float) -> Strata:
    """Return the strata to expect after so many more scrapes, whose difference is larger by `lucky`."""
    halfway = _scaled(strata, 1 + scrapes / 2 / strata.scrapes)
    growth = (new - old for new, old in zip(halfway.add(*_expected(strata, lucky)).ratios, halfway.ratios, strict=True))
    ratios = tuple(known + scrapes * one for known, one in zip(strata.ratios, growth, strict=True))
    return replace(_scaled(strata, 1 + scrapes / strata.scrapes), ratios=ratios)


def _expected(strata: Strata, lucky: float) -> tuple[Evidence, Evidence]:
    """Return a scrape with the mean number of answers, the share of good ones and their difference within scrapes."""
    baseline, canary = (one.total / strata.scrapes for one in strata.compared)
    part = canary / (baseline + canary)
    share = sum(one.good for one in strata.compared) / sum(one.total for one in strata.compared)
    difference = (strata.difference or 0.0) + lucky
    shares = (share - difference * part, share + difference * (1 - part))
    good_b, good_c = (min(1.0, max(0.0, one)) * total for one, total in zip(shares, (baseline, canary), strict=True))
    return Evidence(good_b, baseline), Evidence(good_c, canary)


def _distance(strata: Strata, tolerance: Tolerance) -> tuple[float, float, float] | None:
    """Return how far canary and baseline are from the tolerance, the standard error of that, and its unit in shares.

    With a relative tolerance, the distance is one of logarithms of ratios; None if a variant has no errors.
    """
    if not isinstance(tolerance, Multiple):
        return (strata.difference or 0.0) + tolerance, _standard_error(strata), 1.0
    if not strata.error_ratio:
        return None
    baseline, canary = strata.compared
    beyond = math.log(tolerance.times / strata.error_ratio)
    return beyond, math.sqrt(strata.dispersion * (1 / baseline.bad + 1 / canary.bad)), canary.bad / canary.total


def _standard_error(strata: Strata) -> float:
    """Return that of the difference."""
    variances = (one.good / one.total * (one.bad / one.total) / one.total for one in strata.compared)
    return math.sqrt(strata.dispersion * sum(variances))


def _scaled(strata: Strata, factor: float) -> Strata:
    """Return the strata with every sum multiplied; the evidence stays."""
    baseline, canary, pool = (
        Evidence(one.good * factor, one.total * factor) for one in (*strata.compared, strata.pool)
    )
    erring, fine = ((int(one[0] * factor), int(one[1] * factor)) for one in (strata.erring, strata.fine))
    return replace(
        strata,
        baseline=baseline,
        canary=canary,
        held_baseline=NOTHING,
        held_canary=NOTHING,
        scrapes=round(strata.scrapes * factor),
        weight=strata.weight * factor,
        canary_part=strata.canary_part * factor,
        difference_sum=strata.difference_sum * factor,
        square_sum=strata.square_sum * factor,
        error_sum=strata.error_sum * factor,
        erring=erring,
        fine=fine,
        pool=pool,
    )


def of_release(forecasts: Iterable[Forecast | None], *, least: float) -> Forecast | None:
    """Return the decision to expect of all metrics together: one REJECT rejects, and all must promote.

    Args:
        forecasts: of each metric of each workload.
        least: seconds before which nothing is promoted.
    """
    known = list(forecasts)
    rejects = [one for one in known if one and one.decision is Decision.REJECT]
    if rejects:
        return min(rejects, key=_seconds)
    promotes = [one for one in known if one]
    if not promotes or len(promotes) < len(known):
        return None
    last = max(least, *map(_seconds, promotes))
    return Forecast(Decision.PROMOTE, last if last <= HORIZON else None)


def _seconds(one: Forecast) -> float:
    return math.inf if one.seconds is None else one.seconds
