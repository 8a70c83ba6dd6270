"""What a page says first: how sure the verdict is, and how long it may take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.console.view import Share, age, facts, share
from canary.marks import Variant
from canary.release.overview import Phase
from canary.release.status import Traffic
from canary.verdict.comparison import Decision
from canary.verdict.evidence import Evidence
from canary.verdict.forecast import Forecast
from canary.verdict.looks import Look
from canary.verdict.tolerance import Multiple, Tolerance
from tests.canary.console.overviews import metric, variant, workload


@pytest.mark.parametrize(
    ("decision", "interval", "tolerance", "says"),
    [
        (Decision.UNDECIDED, (-0.03, 0.02), 0.05, "Not sure yet: 3.0 points worse to 2.0 better"),
        (Decision.UNDECIDED, (0.01, 0.04), 0.05, "Not sure yet: 1.0 to 4.0 points better"),
        (Decision.UNDECIDED, (-0.04, -0.01), 0.05, "Not sure yet: 1.0 to 4.0 points worse"),
        (Decision.UNDECIDED, (-0.6, 0.6), 0.05, "Not sure yet: too few answers yet"),
        (Decision.PROMOTE, (-0.03, 0.02), 0.05, "95 % sure that it is at most 3.0 points worse (5 are allowed)"),
        (Decision.PROMOTE, (0.01, 0.04), 0.01, "95 % sure that it is at least 1.0 points better (1 is allowed)"),
        (
            Decision.PROMOTE,
            (0.01, 0.04),
            0.1,
            "95 % sure that it is at least 1.0 points better (10 are allowed)",
        ),
        (Decision.REJECT, (-0.09, -0.06), 0.0, "95 % sure that it is at least 6.0 points worse (0 are allowed)"),
    ],
)
def test_a_page_says_between_which_values_the_difference_lies(
    decision: Decision, interval: tuple[float, float], tolerance: Tolerance, says: str
) -> None:
    shown = metric(tolerance=tolerance)
    shown = replace(shown, comparison=replace(shown.comparison, decision=decision, interval=interval))
    assert facts(workload(shown, verdict=decision)).sure == says


@pytest.mark.parametrize(
    ("decision", "says"),
    [
        (Decision.UNDECIDED, "Not sure yet: 1.2 to 3 times the errors"),
        (Decision.PROMOTE, "95 % sure that it is at most 3 times the errors (5 times are allowed)"),
        (Decision.REJECT, "95 % sure that it is at least 1.2 times the errors (5 times are allowed)"),
    ],
)
def test_a_page_says_how_many_times_the_errors_of_the_baseline(decision: Decision, says: str) -> None:
    shown = metric(tolerance=Multiple(5))
    shown = replace(shown, comparison=replace(shown.comparison, decision=decision, ratio=2.0, ratio_interval=(1.2, 3)))
    assert facts(workload(shown, verdict=decision)).sure == says


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0.0, "About 10 s more, then probably PROMOTE"),
        (41.0, "About 50 s more, then probably PROMOTE"),
        (51.0, "About 1 min more, then probably PROMOTE"),
        (1800.0, "About 30 min more, then probably PROMOTE"),
        (None, "More than an hour, then probably PROMOTE"),
    ],
)
def test_a_page_says_how_long_it_may_take(seconds: float | None, says: str) -> None:
    shown = workload(metric(), verdict=Decision.UNDECIDED, forecast=Forecast(Decision.PROMOTE, seconds))
    assert facts(shown).wait == says


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-3, "0s"), (59, "50s"), (60, "1m"), (7199, "119m"), (7200, "2h"), (172_799, "47h"), (2e5, "2d")],
)
def test_an_age_is_said_as_kubectl_says_it(seconds: float, said: str) -> None:
    assert age(seconds) == said


@pytest.mark.parametrize(
    ("decision", "says"),
    [(Decision.REJECT, "Decided"), (Decision.PROMOTE, "Decided; still waiting: 2 of 5 minutes")],
)
def test_a_rejected_canary_waits_for_nothing(decision: Decision, says: str) -> None:
    shown = workload(metric(), phase=Phase.COMPARING, verdict=decision, waiting_for="2 of 5 minutes")
    assert facts(shown).wait == says


def test_a_share_of_the_requests_that_was_asked_for_has_all_its_digits() -> None:
    shown = workload(metric())
    by_route = replace(shown, status=replace(shown.status, traffic=Traffic("shop", 0.125, None)))
    assert share(by_route).intended == "12.5 %"


def test_the_share_of_the_canary_is_that_of_its_pods_and_of_the_latest_requests() -> None:
    sizes = {Variant.CANARY: 2, Variant.BASELINE: 1, Variant.STABLE: 7}
    looks = [
        Look(5.0 * n, Evidence(0, 100 * n), Evidence(0, 100 * min(n, 20)), Evidence(0, 300 * n)) for n in range(1, 41)
    ]
    shown = metric()
    shown = replace(shown, counts=replace(shown.counts, looks=tuple(looks)))
    variants = tuple(variant(kind, "sampleapp:20", pods) for kind, pods in sizes.items())
    assert share(workload(shown, variants=variants)) == Share("20 %", "the pods", 0.0)
    grown = replace(shown, counts=replace(shown.counts, looks=tuple(looks[:20])))
    assert share(workload(grown, variants=variants)) == Share("20 %", "the pods", 0.2)
