"""Whether a comparison can be trusted: what depends on times and rates that a test with a cluster would wait for."""

from __future__ import annotations

import pytest

from canary.marks import COMPARED, Variant
from canary.release.health import Experiment, health, rate
from canary.release.overview import Phase
from canary.state.record import LastLook, Record
from canary.verdict.evidence import Evidence
from canary.verdict.history import History, Point
from canary.verdict.rule import compare
from canary.verdict.tally import Tally


@pytest.mark.parametrize(
    ("interval", "ago", "is_problem", "says"),
    [
        (2, 9, False, "The last look was 9 s ago."),
        (2, 11, True, "No look for 11 s: the driver may have died."),
        (60, 170, False, "The last look was 3 min ago."),
        (60, 190, True, "No look for 3 min: the driver may have died."),
        (2, -5, False, "The last look was 0 s ago."),
    ],
)
def test_a_driver_is_missed_after_three_of_its_own_intervals(
    interval: float, ago: float, is_problem: bool, says: str
) -> None:
    record = Record(0.0, Tally(), last_look=LastLook(interval))
    found = health(Experiment("app", Phase.COMPARING, record, (), None, 1000.0, 1000.0 + ago))
    (looks,) = [one for one in found if one.topic == "looks"]
    assert (looks.is_problem, looks.text) == (is_problem, says)


@pytest.mark.parametrize(
    ("seen_at", "is_problem", "says"),
    [
        (120.0, False, "Requests per second: canary 1.0, baseline 1.0."),
        (190.0, True, "No request was answered in 90 s."),
        (300.0, True, "No request was answered in 3 min."),
    ],
)
def test_traffic_that_has_ended_is_a_problem(seen_at: float, is_problem: bool, says: str) -> None:
    keys = [(one, "success") for one in COMPARED]
    points = tuple(Point(at, dict.fromkeys(keys, Evidence(at, at))) for at in (50.0, 80.0, 100.0))
    record = Record(0.0, Tally(), histories={"app": History(points)})
    compared = compare(Evidence(90, 100), Evidence(90, 100), tolerance=0.05, metric="success", workload="app")
    found = health(Experiment("app", Phase.COMPARING, record, (compared,), None, seen_at, seen_at))
    (requests,) = [one for one in found if one.topic == "requests"]
    assert (requests.is_problem, requests.text) == (is_problem, says)


def test_a_rate_is_that_of_the_last_half_minute() -> None:
    totals = [1000 * n for n in range(20)] + [19_000 + 10 * n for n in range(1, 10)]
    points = (Point(10.0 * n, {(Variant.CANARY, "success"): Evidence(0, one)}) for n, one in enumerate(totals))
    history = History(tuple(points))
    assert rate(history, Variant.CANARY, "success") == 1.0
    assert rate(History(history.points[:1]), Variant.CANARY, "success") is None
