"""How long until a decision: compared with what then happens."""

from __future__ import annotations

import itertools
import math
import random
from statistics import median

import pytest

from canary.verdict.comparison import Decision
from canary.verdict.evidence import Evidence
from canary.verdict.forecast import Forecast, forecast, of_release
from canary.verdict.rule import compare_strata
from canary.verdict.strata import Strata
from canary.verdict.tolerance import Multiple, Tolerance

SCRAPE = 5.0  # seconds


def drawn(share: float, total: int, chance: random.Random) -> Evidence:
    return Evidence(sum(chance.random() < share for _ in range(total)), total)


def added(scrapes: int, baseline: Evidence, canary: Evidence, tolerance: Tolerance | None = 0.05) -> Strata:
    strata = Strata(tolerance)
    for _ in range(scrapes):
        strata = strata.add(baseline, canary)
    return strata


def forecast_of(strata: Strata, *, seconds: float = SCRAPE) -> Forecast | None:
    return forecast(strata, compare_strata(strata), comparisons=1, seconds=seconds)


def until_decided(baseline: float, canary: float, total: int, tolerance: Tolerance, seed: int) -> list[Strata]:
    chance, strata = random.Random(seed), [Strata(tolerance)]
    while compare_strata(strata[-1]).decision is Decision.UNDECIDED:
        strata.append(strata[-1].add(drawn(baseline, total, chance), drawn(canary, total, chance)))
    return strata[1:]


@pytest.mark.parametrize(
    ("baseline", "canary", "total", "tolerance"),
    [
        (0.99, 0.99, 20, 0.02),
        (0.99, 0.96, 20, 0.01),
        (0.999, 0.999, 100, 0.005),
        (0.9, 0.8, 40, 0.05),
        (0.99, 0.99, 40, Multiple(2.0)),
    ],
)
def test_halfway_most_forecasts_are_right_within_a_factor_of_two(
    baseline: float, canary: float, total: int, tolerance: Tolerance
) -> None:
    ratios = []
    for seed in range(20):
        strata = until_decided(baseline, canary, total, tolerance, seed)
        halfway = len(strata) // 2
        found = forecast_of(strata[halfway - 1])
        if found:
            assert found.decision is compare_strata(strata[-1]).decision
            ratios.append((found.seconds or math.inf) / SCRAPE / (len(strata) - halfway))
    assert len(ratios) >= 14
    assert sum(0.5 <= ratio <= 2 for ratio in ratios) >= 0.6 * len(ratios)
    assert 0.6 < median(ratios) < 1.6


def test_without_errors_a_forecast_is_exact() -> None:
    """Nothing is left to chance then, not even the dispersion that is presumed."""
    fine, tolerance = Evidence(20, 20), 0.01
    needed = next(
        scrapes
        for scrapes in itertools.count(1)
        if compare_strata(added(scrapes, fine, fine, tolerance)).decision is not Decision.UNDECIDED
    )
    found = forecast_of(added(needed // 2, fine, fine, tolerance))
    assert found
    assert found.decision is Decision.PROMOTE
    assert found.seconds == pytest.approx((needed - needed // 2) * SCRAPE, rel=0.1)


def test_nothing_is_forecast_where_it_cannot_be_said() -> None:
    good, worse = Evidence(39, 40), Evidence(37, 40)
    assert forecast_of(added(7, good, good, 0.02)) is None  # too few scrapes
    assert forecast_of(added(20, good, good, None)) is None  # no tolerance
    assert forecast_of(added(20, good, worse)) is None  # the difference is the tolerance
    assert forecast_of(added(20, good, good, 0.02), seconds=math.inf) is None  # no traffic
    assert forecast_of(added(9, Evidence(40, 40), good, Multiple(2.0))) is None  # no errors to compare with
    assert forecast_of(added(20, good, Evidence(38, 40), Multiple(2.0))) is None  # the ratio is the tolerance


def test_a_decision_that_is_far_away_is_only_called_later() -> None:
    found = forecast_of(added(20, Evidence(39, 40), Evidence(39, 40), 0.02), seconds=3600)
    assert found == Forecast(Decision.PROMOTE, None)
    assert str(found) == "PROMOTE in more than an hour if the difference stays"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2, "10 s"), (41, "50 s"), (51, "1 min"), (180, "3 min"), (3600, "60 min")],
)
def test_a_forecast_for_a_person_is_rounded(seconds: float, text: str) -> None:
    assert str(Forecast(Decision.REJECT, seconds)) == f"REJECT in about {text} if the difference stays"


def test_a_release_is_rejected_by_its_first_metric_and_promoted_by_its_last() -> None:
    soon, late = Forecast(Decision.PROMOTE, 20), Forecast(Decision.PROMOTE, 90)
    worse, much_later = Forecast(Decision.REJECT, 60), Forecast(Decision.REJECT, None)
    assert of_release([soon, late], least=0) == late
    assert of_release([soon, late], least=120) == Forecast(Decision.PROMOTE, 120)
    assert of_release([soon, Forecast(Decision.PROMOTE, None)], least=0) == Forecast(Decision.PROMOTE, None)
    assert of_release([soon, None], least=0) is None
    assert of_release([soon, None, much_later, worse], least=120) == worse
    assert of_release([], least=0) is None
