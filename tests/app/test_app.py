"""The web application without a server, with a given source of random numbers."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

N = 20_000  # requests


def make(sampleapp: ModuleType, chance: Any = None, **variables: str) -> tuple[FlaskClient, CollectorRegistry]:
    """Return a client of the app, with dice seeded alike in each test unless others are given."""
    registry = CollectorRegistry()
    dice = chance or random.Random(20).random
    return sampleapp.create_app(sampleapp.read_settings(variables), dice, registry).test_client(), registry


def test_the_line_to_edit_appears_once_and_as_in_the_tutorial() -> None:
    lines = (Path(__file__).parents[2] / "app" / "app.py").read_text().splitlines()
    assert lines.count("success_rate = 5") == 1


def test_the_edited_line_is_used_without_an_environment_variable(
    sampleapp: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sampleapp.read_settings({}).success_rate == 5
    monkeypatch.setattr(sampleapp, "success_rate", 20)
    assert sampleapp.read_settings({}).success_rate == 20
    assert sampleapp.read_settings({"SUCCESS_RATE": "99.9"}).success_rate == 99.9


@pytest.mark.parametrize("rate", [5, 10, 20, 50, 99.5])
def test_the_share_of_good_answers_is_the_success_rate(sampleapp: ModuleType, rate: float) -> None:
    client, _ = make(sampleapp, SUCCESS_RATE=str(rate))
    hello: Any = client.application.view_functions["hello"]  # without HTTP around it: this takes many requests
    good = sum(hello()[1] == 200 for _ in range(N))
    share = rate / 100
    four_sigma = 4 * (share * (1 - share) / N) ** 0.5
    assert abs(good / N - share) < four_sigma


@pytest.mark.parametrize("dice", [0.0, 0.5, 1 - 2**-53])
def test_no_answer_is_good_at_0_percent_and_all_are_at_100(sampleapp: ModuleType, dice: float) -> None:
    never, _ = make(sampleapp, lambda: dice, SUCCESS_RATE="0")
    always, _ = make(sampleapp, lambda: dice, SUCCESS_RATE="100")
    assert (never.get("/").status_code, always.get("/").status_code) == (500, 200)


def test_the_rate_is_exact_at_its_boundary(sampleapp: ModuleType) -> None:
    """Of the shares 0.00, 0.01, … 0.99, exactly as many are good as the rate says."""
    dice = iter(range(100))
    client, _ = make(sampleapp, lambda: next(dice) / 100, SUCCESS_RATE="7")
    assert Counter(client.get("/").status_code for _ in range(100)) == {200: 7, 500: 93}


def test_a_good_answer_says_hello_and_a_bad_one_does_not(sampleapp: ModuleType) -> None:
    good, _ = make(sampleapp, SUCCESS_RATE="100")
    bad, _ = make(sampleapp, SUCCESS_RATE="0")
    assert good.get("/").text == "Hello World!"
    assert "Hello" not in bad.get("/").text


def test_an_answer_has_the_name_of_its_pod(sampleapp: ModuleType) -> None:
    client, _ = make(sampleapp, HOSTNAME="sampleapp-canary-abc")
    assert client.get("/").headers["X-Served-By"] == "sampleapp-canary-abc"


def test_both_counters_start_at_zero(sampleapp: ModuleType) -> None:
    _, registry = make(sampleapp)
    for status in ("good", "bad"):
        assert registry.get_sample_value("requests_total", {"custom_status": status}) == 0


def test_every_answer_is_counted_once_by_the_apps_own_judgement(sampleapp: ModuleType) -> None:
    client, registry = make(sampleapp, SUCCESS_RATE="30")
    statuses = Counter(client.get("/").status_code for _ in range(500))
    assert registry.get_sample_value("requests_total", {"custom_status": "good"}) == statuses[200] > 0
    assert registry.get_sample_value("requests_total", {"custom_status": "bad"}) == statuses[500] > 0
    assert registry.get_sample_value("request_duration_seconds_count") == 500


def test_probes_and_unknown_paths_do_not_count(sampleapp: ModuleType) -> None:
    client, registry = make(sampleapp)
    assert [client.get(path).status_code for path in ("/healthz", "/readyz", "/nowhere")] == [200, 200, 404]
    assert registry.get_sample_value("request_duration_seconds_count") == 0


def test_metrics_are_not_published_with_the_traffic(sampleapp: ModuleType) -> None:
    client, _ = make(sampleapp)
    assert client.get("/metrics").status_code == 404


def test_app_info_has_the_version(sampleapp: ModuleType) -> None:
    _, registry = make(sampleapp, VERSION="1.2.3")
    assert registry.get_sample_value("app_info", {"version": "1.2.3"}) == 1


def test_latency_is_added_to_every_answer_and_visible_in_the_histogram(
    sampleapp: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(sampleapp.time, "sleep", slept.append)
    client, _ = make(sampleapp, LATENCY_MS="250")
    for _ in range(50):
        client.get("/")
    assert slept == [0.25] * 50


def test_the_histogram_separates_answers_at_common_objectives(sampleapp: ModuleType) -> None:
    assert {0.05, 0.1, 0.25, 0.5, 1} <= set(sampleapp.BUCKETS)


@pytest.mark.parametrize("every", [1, 3, 100])
def test_the_process_exits_on_each_nth_request_and_on_no_other(
    sampleapp: ModuleType, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    deaths: list[int] = []
    monkeypatch.setattr(sampleapp.os, "_exit", deaths.append)
    client, _ = make(sampleapp, CRASH_EVERY=str(every))
    died = []
    for number in range(1, 301):
        client.get("/")
        died += [number] * len(deaths)
        deaths.clear()
    assert died == list(range(every, 301, every))


def test_the_process_does_not_crash_by_default(sampleapp: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampleapp.os, "_exit", lambda _: pytest.fail("it died"))
    client, _ = make(sampleapp)
    assert {client.get("/").status_code for _ in range(100)} <= {200, 500}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SUCCESS_RATE", "abc"),
        ("SUCCESS_RATE", "101"),
        ("SUCCESS_RATE", "-1"),
        ("SUCCESS_RATE", "nan"),
        ("SUCCESS_RATE", ""),
        ("LATENCY_MS", "-5"),
        ("LATENCY_MS", "slow"),
        ("CRASH_EVERY", "-1"),
        ("CRASH_EVERY", "2.5"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("METRICS_PORT", "http"),
    ],
)
def test_the_error_about_an_invalid_setting_has_its_name(sampleapp: ModuleType, name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}={text} is not a .*number from .* to .*$"):
        sampleapp.read_settings({name: text})
