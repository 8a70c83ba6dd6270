"""Samples are read from a page exactly as the Prometheus library reads them, and no others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from canary.metrics.exposition import Reader, names
from canary.verdict.measures import Sample

WANTED = ("requests_total", "request_duration_seconds_bucket", "request_duration_seconds_count")
FORMATS = (generate_latest, generate_openmetrics)


def read(page: str, *wanted: str) -> list[Sample]:
    return [(name, dict(labels), value) for name, labels, value in Reader(wanted or WANTED).read(page)]


@pytest.mark.parametrize("generate", FORMATS)
def test_both_text_formats_give_the_names_that_prometheus_stores(
    generate: Callable[[CollectorRegistry], bytes],
) -> None:
    registry = CollectorRegistry()
    requests = Counter("requests", "Answers.", ["custom_status"], registry=registry)
    duration = Histogram("request_duration_seconds", "Time.", buckets=(0.1, 1), registry=registry)
    requests.labels("good").inc(3, exemplar={"trace": "1"})
    duration.observe(0.05, exemplar={"trace": '2 # "}'})
    page = generate(registry).decode()
    samples = read(page)
    assert ("requests_total", {"custom_status": "good"}, 3.0) in samples
    assert ("request_duration_seconds_bucket", {"le": "0.1"}, 1.0) in samples
    assert ("request_duration_seconds_count", {}, 1.0) in samples
    assert {*WANTED, "request_duration_seconds_sum"} <= names(page)


def test_a_counter_without_the_suffix_keeps_its_name() -> None:
    assert read("# TYPE hits counter\nhits 4\n", "hits") == [("hits", {}, 4.0)]


def test_a_longer_name_with_the_same_beginning_is_not_read() -> None:
    assert read("hits 1\nhits_total 2\nmy_hits 3\nhits:rate 4\n", "hits") == [("hits", {}, 1.0)]


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        ("hits 4 1700000000000", ("hits", {}, 4.0)),
        ("  hits\t4", ("hits", {}, 4.0)),
        ("hits 4\r", ("hits", {}, 4.0)),
        ("hits +Inf", ("hits", {}, float("inf"))),
        ("hits 1e3", ("hits", {}, 1000.0)),
        ("hits{} 4", ("hits", {}, 4.0)),
        ('hits { a = "b" , c="d", } 4', ("hits", {"a": "b", "c": "d"}, 4.0)),
        (r'hits{a="\"}\\ \n{"} 4', ("hits", {"a": '"}\\ \n{'}, 4.0)),
        ('hits{le="0.1"} 4 # {trace="1"} 0.05 1.7e9', ("hits", {"le": "0.1"}, 4.0)),
    ],
)
def test_lines_are_read_as_the_formats_allow_them(line: str, sample: Sample) -> None:
    assert read(f"# HELP hits {{Strange}} help.\n{line}\n\nother 1\n# EOF\n", "hits") == [sample]


@pytest.mark.parametrize(
    "page",
    [
        "<!doctype html>\n<title>Log in</title>",
        "\n\n<html>",
        '{"error": "unauthorized"}',
        '{\n "error": "unauthorized"\n}',
        "[1]",
        "OK",
        "404 page not found",
        "Not found",
        "other 1\n<html>",
        "other 1\nhits",
        "other 1\nhits four",
        'other 1\nhits{a="b" 4',
    ],
)
def test_a_page_that_is_not_metrics_is_never_read_as_zero_counts(page: str) -> None:
    with pytest.raises(ValueError, match="invalid line"):
        read(page, "hits")


def test_lines_of_other_series_are_not_parsed() -> None:
    assert read('hits 1\nother{a="b" 2\n', "hits") == [("hits", {}, 1.0)]


TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


@settings(max_examples=100)
@given(st.lists(st.tuples(TEXT, TEXT, st.floats(allow_nan=False)), max_size=5), st.sampled_from(FORMATS))
def test_any_labels_are_parsed_as_the_prometheus_library_parses_them(
    values: list[tuple[str, str, float]], generate: Callable[[CollectorRegistry], bytes]
) -> None:
    registry = CollectorRegistry()
    Gauge("other", "Not wanted.", registry=registry).set(1)
    gauge = Gauge("hits", "Whatever.", ["a", "b"], registry=registry)
    for a, b, value in values:
        gauge.labels(a, b).set(value)
    page = generate(registry).decode()
    expected = [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if sample.name == "hits"
    ]
    assert read(page, "hits") == expected
