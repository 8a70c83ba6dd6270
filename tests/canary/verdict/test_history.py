"""A history stays small, and still shows how the evidence grew."""

from __future__ import annotations

import json
from itertools import pairwise

from canary.marks import Variant
from canary.verdict.evidence import Evidence
from canary.verdict.history import BYTES, POINTS, History
from canary.verdict.strata import Strata

CANARY = (Variant.CANARY, "success")
STABLE = (Variant.STABLE, "success")


def counted(total: float) -> dict[tuple[Variant, str], Evidence]:
    return {CANARY: Evidence(total / 2, total)}


def test_a_short_history_has_every_look() -> None:
    history = History()
    for at in range(1, 100):
        history = history.add(float(at), counted(float(at)))
    assert [(point.at, point.evidence[CANARY].total) for point in history.points] == [(n, n) for n in range(1, 100)]


def test_a_long_history_is_thinned_evenly_and_keeps_the_first_and_the_last_look() -> None:
    history = History()
    for at in range(5000):
        history = history.add(float(at), counted(at + 1.0))
    times = [point.at for point in history.points]
    assert len(times) == POINTS
    assert (times[0], times[-1]) == (0, 4999)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps) <= 4 * 5000 / POINTS


def test_many_metrics_leave_fewer_points_and_never_more_bytes() -> None:
    history = History()
    third = 1_000_000_000 / 3
    for at in range(300):
        evidence = {
            (variant, f"metric-{n}"): Evidence(third + at, 2e9 + at)
            for variant in (Variant.CANARY, Variant.BASELINE)
            for n in range(10)
        }
        history = history.add(1_700_000_000 + at / 7, evidence)
    assert len(history.points) >= 40
    assert len(json.dumps(history.as_json(), separators=(",", ":"))) <= BYTES


def test_a_time_without_requests_takes_two_points() -> None:
    history = History().add(1, counted(10)).add(2, counted(10), 1).add(3, counted(10), 2).add(4, counted(15), 3)
    assert [(point.at, point.evidence[CANARY].total) for point in history.points] == [(1, 10), (3, 10), (4, 15)]


def test_stable_alone_adds_no_point() -> None:
    assert History().add(1, {STABLE: Evidence(1, 1)}).points == ()
    history = History().add(1, counted(10)).add(2, {**counted(10), STABLE: Evidence(1, 1)})
    assert [point.at for point in history.points] == [1]


def test_stable_changes_neither_the_points_nor_the_strata() -> None:
    without, with_stable = History(), History()
    for at in range(1000):
        evidence = {(Variant.BASELINE, "success"): Evidence(9 * at, 10 * at), **counted(2 * (at // 3))}
        without = without.add(at, evidence, at - 1)
        with_stable = with_stable.add(at, {**evidence, STABLE: Evidence(at, 7 * at)}, at - 1)
    assert [point.at for point in with_stable.points] == [point.at for point in without.points]
    assert with_stable.strata("success", 0.01) == without.strata("success", 0.01)
    assert with_stable.looks("success")[-1].stable == Evidence(999, 7 * 999)


def test_a_history_says_where_nothing_is_known_of_stable() -> None:
    history = History().add(1, counted(10)).add(2, {**counted(20), STABLE: Evidence(3, 4)})
    read = History.from_json(json.loads(json.dumps(history.as_json())))
    assert [look.stable for look in read.looks("success")] == [None, Evidence(3, 4)]
    assert read == history


def test_a_history_reads_back_as_it_was_written() -> None:
    history = History().add(1.5, counted(10)).add(2.25, counted(13))
    assert History.from_json(json.loads(json.dumps(history.as_json()))) == history


def test_a_history_tells_the_strata_of_another_tolerance() -> None:
    history, strata = History(), Strata(0.01)
    for look in range(1, 30):
        history = history.add(look, {(Variant.BASELINE, "success"): Evidence(9 * look, 10 * look), **counted(4 * look)})
        strata = strata.add(Evidence(9, 10), Evidence(2, 4))
    assert history.strata("success", 0.01) == strata
    assert history.strata("latency", 0.01) == Strata(0.01)


def test_a_point_without_a_variant_is_no_restart_of_its_counts() -> None:
    looks = [(5, 10), (None, 20), (9, 30)]
    history, strata = History(), Strata(0.01)
    for at, (canary, baseline) in enumerate(looks):
        seen = {} if canary is None else {CANARY: Evidence(canary, canary)}
        history = history.add(at, {(Variant.BASELINE, "success"): Evidence(baseline, baseline), **seen})
    for canary_new, baseline_new in ((5, 10), (0, 10), (4, 10)):
        strata = strata.add(Evidence(baseline_new, baseline_new), Evidence(canary_new, canary_new))
    assert history.strata("success", 0.01) == strata
