"""What is counted of a scrape, and quantiles of a histogram."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import InputError
from canary.verdict.measures import Measures, Metric, quantile, within
from canary.verdict.selector import Selector

BUCKETS = {0.1: 60.0, 0.5: 90.0, math.inf: 100.0}
SUCCESS = Metric.share("success", 'requests_total{custom_status="good"}', "requests_total")
LATENCY = Metric.latency("latency", 'request_duration_seconds{method="GET"}', 0.25)


def bucket(bound: str, count: float, method: str = "GET") -> tuple[str, dict[str, str], float]:
    return "request_duration_seconds_bucket", {"le": bound, "method": method}, count


def counted(measures: Measures, samples: list[tuple[str, dict[str, str], float]]) -> dict[str, float]:
    return measures.count(measures.parts(samples))


def test_counters_are_summed_over_the_series_that_match() -> None:
    samples = [
        ("requests_total", {"custom_status": "good", "path": "/"}, 3.0),
        ("requests_total", {"custom_status": "good", "path": "/a"}, 4.0),
        ("requests_total", {"custom_status": "bad", "path": "/"}, 2.0),
        ("requests_created", {"custom_status": "bad", "path": "/"}, 1.7e9),
        ("other_total", {"custom_status": "good"}, 100.0),
    ]
    assert counted(Measures.of([SUCCESS]), samples) == {"success good": 7, "success total": 9}


def test_series_that_do_not_exist_yet_are_zero() -> None:
    assert counted(Measures.of([SUCCESS, LATENCY], "request_duration_seconds"), []) == {
        "success good": 0,
        "success total": 0,
        "latency good": 0,
        "latency total": 0,
    }


def test_a_latency_objective_counts_what_was_answered_within_it() -> None:
    samples = [
        bucket("0.1", 60),
        bucket("0.5", 90),
        bucket("+Inf", 100),
        bucket("0.1", 5, "POST"),
        ("request_duration_seconds_count", {"method": "GET"}, 100.0),
        ("request_duration_seconds_count", {"method": "POST"}, 7.0),
    ]
    counters = counted(Measures.of([LATENCY], "request_duration_seconds"), samples)
    assert counters["latency good"] == pytest.approx(60 + 30 * (0.25 - 0.1) / 0.4)
    assert counters["latency total"] == 100
    assert counters["le=0.1"] == 65


def test_series_are_counted_one_by_one_and_the_buckets_of_a_histogram_are_one() -> None:
    samples = [bucket(bound, n, method) for method in ("GET", "POST") for bound, n in (("0.1", 60), ("+Inf", 100))]
    samples += [("request_duration_seconds_count", {"method": method}, 100.0) for method in ("GET", "POST")]
    parts = Measures.of([LATENCY], "request_duration_seconds").parts(samples)
    assert sorted(sorted(part.items()) for part in parts.values()) == [
        [],
        [("latency good", 60), ("le=0.1", 60), ("le=inf", 100)],
        [("latency total", 100)],
        [("le=0.1", 60), ("le=inf", 100)],
    ]


def test_not_a_number_counts_as_nothing() -> None:
    assert counted(Measures.of([SUCCESS]), [("requests_total", {}, math.nan)])["success total"] == 0


@pytest.mark.parametrize(("objective", "text"), [(0.25, "within 250 ms"), (1.5, "within 1.5 s"), (None, "good")])
def test_quality_in_words(objective: float | None, text: str) -> None:
    assert Metric("m", SUCCESS.total, SUCCESS.good, objective).quality == text


@pytest.mark.parametrize(
    ("objective", "count"),
    [(0.05, 30), (0.1, 60), (0.3, 75), (0.5, 90), (2, 90), (0, 0)],
)
def test_inside_a_bucket_requests_are_spread_evenly(objective: float, count: float) -> None:
    assert within(objective, BUCKETS) == pytest.approx(count)


@pytest.mark.parametrize(
    ("q", "seconds"),
    [(0.5, 0.1 * 50 / 60), (0.6, 0.1), (0.75, 0.3), (0.9, 0.5), (0.99, 0.5)],
)
def test_quantiles_are_those_of_prometheus(q: float, seconds: float) -> None:
    assert quantile(q, BUCKETS) == pytest.approx(seconds)


def test_without_requests_there_are_no_quantiles() -> None:
    assert quantile(0.5, {}) is None
    assert quantile(0.5, {0.1: 0.0, math.inf: 0.0}) is None


@given(st.lists(st.integers(0, 100), min_size=4, max_size=4), st.lists(st.floats(0, 5), min_size=2, max_size=9))
def test_more_time_never_counts_fewer_requests(counts: list[int], objectives: list[float]) -> None:
    buckets = {bound: float(sum(counts[: place + 1])) for place, bound in enumerate((0.1, 0.5, 1.0, math.inf))}
    found = [within(objective, buckets) for objective in sorted(objectives)]
    assert all(later >= earlier for earlier, later in pairwise(found))
    assert all(0 <= one <= sum(counts) for one in found)


@pytest.mark.parametrize(
    ("text", "good", "total", "tolerance"),
    [
        ("a=good_total,all_total", "good_total", "all_total", 0.05),
        ("a=good_total, all_total, 0.01", "good_total", "all_total", 0.01),
        ('a=x{s="paid",c=~"EUR|USD"},x{c=~"EUR|USD"},0', 'x{s="paid",c=~"EUR|USD"}', 'x{c=~"EUR|USD"}', 0.0),
        ("a=x{s='}, {'},x", "x{s='}, {'}", "x", 0.05),
        (r'a=x{s="\",}"},x,1', r'x{s="\",}"}', "x", 1.0),
    ],
)
def test_a_metric_is_read_with_the_commas_of_its_selectors(text: str, good: str, total: str, tolerance: float) -> None:
    metric = Metric.parse(text, 0.05)
    assert (metric.name, metric.tolerance) == ("a", tolerance)
    assert (metric.good, metric.total) == (Selector.parse(good), Selector.parse(total))


@pytest.mark.parametrize(
    "text", ["", "a", "a=", "a=x", "=x,y", "a b=x,y", "a=x,y,0.1,z", 'a=x{s="1",y', 'a=x{s="1},y', "1=x,y", "le=1"]
)
def test_an_invalid_metric_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match=r"is not a metric: write NAME=GOOD,TOTAL or .*checkout="):
        Metric.parse(text)


@pytest.mark.parametrize("tolerance", ["5", "-1", "nan", "much"])
def test_a_tolerance_of_a_metric_is_a_share(tolerance: str) -> None:
    with pytest.raises(InputError, match=f"metric a: tolerance {tolerance}: must be a share from 0 to 1"):
        Metric.parse(f"a=x,y,{tolerance}")


def test_two_metrics_with_the_same_name_are_refused() -> None:
    with pytest.raises(InputError, match="two metrics are named success"):
        Measures.of([SUCCESS, LATENCY, SUCCESS])
