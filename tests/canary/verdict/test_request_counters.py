"""Counters of requests, found by the names and labels of common client libraries."""

from __future__ import annotations

import pytest

from canary.metrics.exposition import counters
from canary.verdict.request_counters import request_counters


def found(page: str) -> list[tuple[str, str, float]]:
    """Return total, good and the percentage of good requests of each counter that is found."""
    return [(str(one.total), str(one.good), one.percent_good) for one in request_counters(counters(page))]


@pytest.mark.parametrize(
    ("label", "values", "good"),
    [
        ("custom_status", ("good", "bad"), 'custom_status="good"'),
        ("code", ("200", "503"), 'code!~"5.."'),
        ("status", ("2xx", "5xx"), 'status!~"5[xX][xX]"'),
        ("http_response_status_code", ("200", "500"), 'http_response_status_code!~"5.."'),
        ("outcome", ("SUCCESS", "SERVER_ERROR"), 'outcome!="SERVER_ERROR"'),
        (
            "grpc_code",
            ("OK", "Internal"),
            'grpc_code!~"Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss"',
        ),
        ("result", ("ok", "error"), 'result="ok"'),
        ("result", ("hit", "error"), 'result!="error"'),
    ],
)
def test_good_requests_are_told_by_the_label_of_the_outcome(label: str, values: tuple[str, str], good: str) -> None:
    page = "# TYPE http_requests_total counter\n" + "".join(
        f'http_requests_total{{method="GET",{label}="{value}"}} {count}\n'
        for value, count in zip(values, (90, 10), strict=True)
    )
    assert found(page) == [("http_requests_total", f"http_requests_total{{{good}}}", 90)]


def test_the_count_of_a_histogram_with_a_status_is_a_counter_of_requests() -> None:
    page = """# TYPE http_server_requests_seconds histogram
http_server_requests_seconds_bucket{status="200",le="+Inf"} 9
http_server_requests_seconds_count{status="200"} 9
http_server_requests_seconds_sum{status="200"} 0.5
"""
    [(total, good, _)] = found(page)
    assert (total, good) == ("http_server_requests_seconds_count", 'http_server_requests_seconds_count{status!~"5.."}')


@pytest.mark.parametrize(
    "page",
    [
        'http_requests_total{method="GET"} 5\n',  # nothing says how they ended
        'orders_total{status="paid"} 5\n',  # no requests
        'promhttp_metric_handler_requests_total{code="200"} 5\n',  # the scrapes
        'http_client_requests_total{code="200"} 5\n',  # what the app asks others
        'http_requests_total{result="hit"} 5\n',  # good or bad?
        "",
    ],
)
def test_other_counters_are_not_taken_for_requests(page: str) -> None:
    assert found(page) == []


def test_the_app_s_own_judgement_comes_first_then_the_busiest_counter() -> None:
    page = """a_requests_total{code="200"} 5
b_requests_total{code="200"} 50
answers_total{custom_status="good"} 1
"""
    assert [total for total, _, _ in found(page)] == ["answers_total", "b_requests_total", "a_requests_total"]
