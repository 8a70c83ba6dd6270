"""Selectors compared with what pods expose."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from canary.metrics.exposition import Reader, names
from canary.verdict.exposed_metrics import ExposedMetrics, ineffective_conditions, unmatched_selectors
from canary.verdict.measures import Measures, Metric

Answers = dict[tuple[str, str], int]
ANSWERS: Answers = {("GET", "200"): 60, ("POST", "200"): 30, ("POST", "503"): 10}


def exposed(metric: Metric, answers: Answers = ANSWERS) -> ExposedMetrics:
    """Return what a pod exposes that has given these answers."""
    registry = CollectorRegistry()
    requests = Counter("http_requests_total", "Answers.", ["method", "status"], registry=registry)
    duration = Histogram("http_duration_seconds", "Time.", ["method"], buckets=(0.1, 1), registry=registry)
    Gauge("queue_length", "Waiting.", registry=registry)
    for (method, status), count in answers.items():
        requests.labels(method, status).inc(count)
        for _ in range(count):
            duration.labels(method).observe(0.01)
    return on_the_page_of(registry, metric)


def on_the_page_of(registry: CollectorRegistry, metric: Metric) -> ExposedMetrics:
    page, measures = generate_latest(registry).decode(), Measures.of([metric])
    samples = Reader(selector.name for selector in measures.selectors()).read(page)
    return ExposedMetrics(names(page)) | ExposedMetrics.of(samples, measures)


def problems(
    good: str, total: str = "http_requests_total", answers: Answers = ANSWERS, *, enough: bool = True
) -> list[str]:
    metric = Metric.share("success", good, total)
    return list(unmatched_selectors(metric, exposed(metric, answers), enough=enough, least=50))


def warned(good: str, answers: Answers = ANSWERS) -> list[str]:
    metric = Metric.share("success", good, "http_requests_total")
    assert list(unmatched_selectors(metric, exposed(metric, answers), enough=True, least=50)) == []
    return list(ineffective_conditions(metric, exposed(metric, answers)))


def test_an_unknown_metric_is_reported_with_the_known_ones() -> None:
    assert problems('http_request_total{status="200"}') == [
        (
            'No pod exposes a metric http_request_total (in http_request_total{status="200"}, the selector for good '
            "requests). Did you mean http_requests_total? The metrics are http_requests_total, "
            "http_duration_seconds_count, queue_length"
        )
    ]


def test_a_missing_metric_is_reported_once() -> None:
    [text] = problems('wrong_total{status="200"}', "wrong_total")
    assert text.startswith("No pod exposes a metric wrong_total. ")


def test_an_unknown_label_is_reported_with_the_known_ones() -> None:
    assert problems('http_requests_total{stat="200"}') == [
        (
            'No series of http_requests_total has a label stat (in http_requests_total{stat="200"}, the selector for '
            "good requests). Did you mean status? Its labels are status, method"
        )
    ]


def test_an_unknown_label_is_reported_even_in_a_negative_condition() -> None:
    [text] = problems('http_requests_total{code!~"5.."}')
    assert text.endswith('Its labels are method, status. If only failed requests have code, write code=""')


def test_an_unknown_value_is_reported_with_the_known_ones() -> None:
    assert problems('http_requests_total{status="20"}') == [
        (
            'No series of http_requests_total has status="20" (in http_requests_total{status="20"}, the selector for '
            'good requests). Did you mean "200"? The values of status are "200", "503"'
        )
    ]
    assert 'has status=~"2xx"' in problems('http_requests_total{status=~"2xx"}')[0]


def test_an_unknown_value_for_all_requests_is_reported_as_soon_as_the_metric_counts() -> None:
    [text] = problems("http_requests_total", 'http_requests_total{method="GTE"}', enough=False)
    assert 'has method="GTE" (in http_requests_total{method="GTE"}, the selector for all requests)' in text


def test_a_value_for_all_requests_may_be_missing_until_there_are_enough_requests() -> None:
    rare = 'http_requests_total{method="PUT"}'
    assert problems("http_requests_total", rare, answers={("GET", "200"): 49}, enough=False) == []
    assert problems("http_requests_total", rare, answers={("GET", "200"): 50}, enough=False) != []


def test_a_value_for_good_requests_may_be_missing_until_there_are_enough_requests() -> None:
    bad: Answers = {("GET", "503"): 3}
    assert problems('http_requests_total{status="200"}', answers=bad, enough=False) == []
    assert problems('http_requests_total{status="200"}', answers=bad, enough=True) != []


def test_values_that_exist_but_not_together_are_not_misspelt() -> None:
    assert problems('http_requests_total{method="GET", status="503"}') == []


def test_a_selector_may_require_that_a_label_is_absent() -> None:
    assert warned('http_requests_total{error=""}') == [
        (
            'error="" excludes nothing (in http_requests_total{error=""}, the selector for good requests). '
            "No series has a label error"
        )
    ]
    assert problems('http_requests_total{error=~"|not_found"}') == []


def test_more_good_requests_than_requests_is_an_error() -> None:
    [text] = problems("http_requests_total", 'http_requests_total{status="200", method="GET"}')
    assert "counts 100 requests. The selector for all requests" in text
    assert text.endswith("counts only 60. Good requests must be among all requests")


def test_a_condition_that_excludes_nothing_gives_a_warning() -> None:
    assert warned('http_requests_total{status!~"5xx"}') == [
        (
            'status!~"5xx" excludes nothing (in http_requests_total{status!~"5xx"}, the selector for good requests). '
            'The values of status are "200", "503"'
        )
    ]
    assert warned('http_requests_total{status!="5"}') != []


def test_a_condition_on_status_codes_that_have_not_occurred_yet_is_fine() -> None:
    healthy: Answers = {("GET", "200"): 100}
    assert warned('http_requests_total{status!~"5.."}', healthy) == []
    assert warned('http_requests_total{status!~"5xx"}', healthy) != []


@pytest.mark.parametrize(
    "good", ['http_requests_total{status!~"5.."}', 'http_requests_total{status=~"2..|3.."}', "http_requests_total"]
)
def test_useful_conditions_give_no_warning(good: str) -> None:
    assert warned(good) == []


def test_a_histogram_is_reported_by_its_name_in_the_settings() -> None:
    metric = Metric.latency("latency", 'http_durations_seconds{method="GET"}', 0.25)
    [text] = unmatched_selectors(metric, exposed(metric), enough=False, least=50)
    assert text == (
        'No pod exposes a histogram http_durations_seconds (in http_durations_seconds{method="GET"}, the selector for '
        "all requests). Did you mean http_duration_seconds? The histograms are http_duration_seconds"
    )
    metric = Metric.latency("latency", 'http_duration_seconds{verb="GET"}', 0.25)
    [text] = unmatched_selectors(metric, exposed(metric), enough=True, least=50)
    assert text.endswith("Its only label is method")


def test_the_metrics_of_several_pods_are_combined() -> None:
    metric = Metric.share("success", 'http_requests_total{status="503"}', 'http_requests_total{method="PUT"}')
    some, others, none = (
        exposed(metric, answers)
        for answers in ({("GET", "200"): 60}, {("PUT", "503"): 9}, dict[tuple[str, str], int]())
    )
    assert list(unmatched_selectors(metric, some | others | none, enough=True, least=50)) == []
    assert (some | others).counted == {"http_requests_total": 69}
    assert len(list(unmatched_selectors(metric, some | none, enough=True, least=50))) == 2
    assert list(unmatched_selectors(metric, others | none, enough=True, least=50)) == []


def test_the_most_similar_of_many_names_are_shown() -> None:
    registry = CollectorRegistry()
    for n in range(30):
        Gauge(f"gauge_{n}", "One of many.", registry=registry)
    metric = Metric.share("success", "gauge_7x", "gauge_7")
    everything = on_the_page_of(registry, metric)
    [text] = unmatched_selectors(metric, everything, enough=True, least=50)
    assert "Did you mean gauge_7? The metrics are gauge_7, " in text
    assert text.endswith(" and 20 more")
