"""PrometheusSource against a real Prometheus."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest
import requests

from canary.errors import ClusterError, InputError, NotAnsweringError
from canary.marks import Variant
from canary.metrics import PrometheusSource, ServiceQueries, UrlQueries
from canary.metrics.range_query import counts_of
from canary.verdict.evidence import Evidence
from canary.verdict.exposed_metrics import unmatched_selectors
from canary.verdict.measures import Measures, Metric
from canary.verdict.scrapes import Pod, Scrape
from canary.verdict.tally import Tally
from e2e.polling import poll
from tests.http_servers import serving

PROMETHEUS = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(not PROMETHEUS, reason="no prometheus on PATH, and PROMETHEUS names none")

SUCCESS = Metric.share("success", 'requests_total{custom_status="good"}', "requests_total", 0.05)
LATENCY = Metric.latency("latency", "request_duration_seconds", 0.25, 0.05)
MEASURES = Measures.of([SUCCESS, LATENCY], "request_duration_seconds")


class Counter:
    """The metrics page of a pod: its counts, and whether its series exist yet."""

    def __init__(self) -> None:
        self.good = 0
        self.bad = 0
        self.status = 200
        self.started = 0

    def __call__(self, _path: str, _headers: Mapping[str, str]) -> tuple[int, str]:
        lines = [f'requests_total{{custom_status="{k}"}} {v}' for k, v in (("good", self.good), ("bad", self.bad)) if v]
        if self.started:
            lines.append(f"process_start_time_seconds {self.started}")
        total = self.good + self.bad
        if total:
            lines += [
                f'request_duration_seconds_bucket{{le="{le}"}} {n}'
                for le, n in (("0.1", self.good), ("0.5", total), ("+Inf", total))
            ]
            lines += [f"request_duration_seconds_count {total}", f"request_duration_seconds_sum {total * 0.1}"]
        return self.status, "\n".join([*lines, ""])


def pod(name: str, variant: Variant = Variant.CANARY, namespace: str = "shop") -> Pod:
    return Pod(name, namespace, f"uid-{name}", "app", variant, 8000, ready_at=0.0)


REPLAYED = ("web-baseline-7d4b9c-x2x4z", "web-canary-5f6c8d-abcde")
NAMES = ("steady", "twice", "silent", "failing", "restarted", "carried", "elsewhere", "mixed", "misspelt", "evicting")
PAGES = (*NAMES, *REPLAYED)


@pytest.fixture(scope="module")
def pages() -> dict[str, Counter]:
    return {name: Counter() for name in PAGES}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, pages: dict[str, Counter]) -> Iterator[str]:
    """A real Prometheus that scrapes one page for each pod four times a second, the pod `twice` by two jobs."""
    assert PROMETHEUS
    folder = tmp_path_factory.mktemp("prometheus")
    with contextlib.ExitStack() as stack:
        targets = {name: stack.enter_context(serving(page)).address for name, page in pages.items()}

        def job(name: str, pods: Mapping[str, str]) -> dict[str, Any]:
            return {
                "job_name": name,
                "static_configs": [
                    {
                        "targets": [targets[pod]],
                        "labels": {"namespace": namespace, "pod": pod, "container": "app", "by": name},
                    }
                    for pod, namespace in pods.items()
                ],
            }

        shop = {name: "shop" for name in PAGES if name != "elsewhere"}
        jobs = [job("monitor", shop | {"elsewhere": "other"}), job("annotations", {"twice": "shop"})]
        config = {"global": {"scrape_interval": "250ms", "scrape_timeout": "250ms"}, "scrape_configs": jobs}
        (folder / "prometheus.yml").write_text(json.dumps(config))
        arguments = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0"]
        process = stack.enter_context(
            subprocess.Popen([PROMETHEUS, *arguments], cwd=folder, stderr=subprocess.PIPE, text=True)
        )
        stack.callback(process.terminate)
        assert process.stderr
        address = next(line.split("address=")[1].split()[0] for line in process.stderr if "Listening on" in line)
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        stack.callback(drain.join)
        stack.callback(process.terminate)
        base = f"http://{address}"
        poll("Prometheus is ready", lambda: requests.get(f"{base}/-/ready", timeout=5).status_code == 200)
        yield base


@pytest.fixture
def queries(url: str) -> Iterator[UrlQueries]:
    with contextlib.closing(UrlQueries(url)) as queries:
        yield queries


def total(tally: Tally, variant: Variant = Variant.CANARY) -> tuple[float, float]:
    evidence = tally.evidence("app", variant, SUCCESS)
    return evidence.good, evidence.total


class Driver:
    """Looks and adds up, as a release does."""

    def __init__(self, queries: Any, pods: list[Pod], tally: Tally | None = None) -> None:
        self.source = PrometheusSource(queries, MEASURES)
        self.pods = pods
        self.tally = tally or Tally(warm_up=0)

    def look(self) -> list[Scrape]:
        scrapes = self.source.read(self.pods, self.tally.since(self.pods, time.time()))
        self.tally = self.tally.add(scrapes, MEASURES)
        return scrapes

    def until(self, good: float, of: float, variant: Variant = Variant.CANARY) -> None:
        def reached() -> bool:
            self.look()
            return total(self.tally, variant) == (good, of)

        poll(f"{good} good of {of} are counted", reached)


@needs_prometheus
def test_counts_are_those_of_the_pods(queries: UrlQueries, pages: dict[str, Counter]) -> None:
    pages["steady"].good, pages["steady"].bad = 30, 10
    driver = Driver(queries, [pod("steady")])
    driver.until(30, 40)
    pages["steady"].good, pages["steady"].bad = 75, 25
    driver.until(75, 100)
    latency = driver.tally.evidence("app", Variant.CANARY, LATENCY)
    assert latency.good == pytest.approx(75 + 25 * 0.375)
    assert latency.total == 100
    assert driver.tally.quantile("app", Variant.CANARY, 0.99) == pytest.approx(0.1 + 0.4 * (99 - 75) / 25)


@needs_prometheus
def test_a_pod_that_two_jobs_scrape_is_counted_once(queries: UrlQueries, pages: dict[str, Counter]) -> None:
    driver = Driver(queries, [pod("twice")])
    pages["twice"].good, pages["twice"].bad = 10, 10
    poll("both jobs have scraped it", lambda: len(queries.query('requests_total{pod="twice"} == 10')) == 4)
    driver.until(10, 20)
    for step in range(1, 6):
        pages["twice"].good = 10 + 7 * step
        driver.until(10 + 7 * step, 20 + 7 * step)
    assert total(driver.tally) == (45, 55)


@needs_prometheus
def test_a_series_that_does_not_exist_yet_is_zero_if_the_scrape_succeeded(
    queries: UrlQueries, pages: dict[str, Counter]
) -> None:
    driver = Driver(queries, [pod("silent")])
    poll("it was scraped", lambda: driver.look() and not driver.tally.missing)
    assert total(driver.tally) == (0, 0)
    pages["silent"].good = 5  # the bad ones are still to come: zero, not missing
    driver.until(5, 5)


@needs_prometheus
def test_a_failed_scrape_is_missing_and_never_zero(queries: UrlQueries, pages: dict[str, Counter]) -> None:
    driver = Driver(queries, [pod("failing")])
    pages["failing"].good = 8
    driver.until(8, 8)
    pages["failing"].status = 503
    poll("Prometheus notices", lambda: driver.look() and driver.tally.missing)
    assert driver.tally.missing == {pod("failing"): "Prometheus cannot scrape it: its `up` is 0"}
    assert total(driver.tally) == (8, 8)
    pages["failing"].good, pages["failing"].status = 20, 200
    driver.until(20, 20)
    poll("it is no longer missing", lambda: driver.look() and not driver.tally.missing)


@needs_prometheus
def test_a_restarted_container_adds_to_what_it_had_counted(queries: UrlQueries, pages: dict[str, Counter]) -> None:
    driver = Driver(queries, [pod("restarted")])
    pages["restarted"].good = 50
    driver.until(50, 50)
    pages["restarted"].good = 3
    driver.until(53, 53)


@needs_prometheus
def test_a_restart_is_seen_by_the_start_time_and_not_by_a_series_that_disappears(
    queries: UrlQueries, pages: dict[str, Counter]
) -> None:
    page, driver = pages["evicting"], Driver(queries, [pod("evicting")])
    page.good, page.bad, page.started = 500, 100, 1_000_000
    driver.until(500, 600)
    page.good, page.bad = 0, 110  # the page no longer has the series of good ones
    driver.until(500, 610)
    page.status = 503  # no scrape sees half of what follows
    page.good, page.bad, page.started = 20, 120, 2_000_000
    page.status = 200
    driver.until(520, 750)


@needs_prometheus
def test_a_restarted_driver_counts_the_scrapes_in_between(queries: UrlQueries, pages: dict[str, Counter]) -> None:
    first = Driver(queries, [pod("carried")])
    pages["carried"].good = 10
    first.until(10, 10)
    saved = first.tally.as_json("app")
    for good in (40, 2):  # the process restarts while no driver looks
        pages["carried"].good = good
        scraped = f'requests_total{{pod="carried"}} == {good}'
        poll("it is scraped", partial(queries.query, scraped))
    second = Driver(queries, [pod("carried")], Tally.from_json(saved, "app", warm_up=0))
    second.until(42, 42)


@needs_prometheus
def test_a_saved_answer_to_a_range_query_has_the_counts_of_the_pods(
    url: str, queries: UrlQueries, pages: dict[str, Counter]
) -> None:
    baseline, canary = (pages[name] for name in REPLAYED)
    began = time.time()
    for good, bad in ((10, 1), (50, 4), (3, 0)):  # at last the canary's process has restarted
        baseline.good, baseline.bad = baseline.good + 20, bad
        canary.good, canary.bad = good, bad
        poll("it is scraped", partial(queries.query, f'requests_total{{pod="{REPLAYED[1]}"}} == {good}'))
        poll("it is scraped", partial(queries.query, f'requests_total{{pod="{REPLAYED[0]}"}} == {baseline.good}'))
    query = 'requests_total{pod=~"web-(baseline|canary)-.*"}'
    times = {
        "start": str(began),
        "end": str(time.time() + 1),
        "step": "0.25",
    }  # a sample holds for longer than a second
    answer = requests.get(f"{url}/api/v1/query_range", params={"query": query, **times}, timeout=10).json()
    [success] = counts_of(answer, "answer.json", Measures.of([SUCCESS]), alpha=0.05)
    assert (success.workload, success.metric, success.tolerance) == ("web", "success", 0.05)
    first, last = success.looks[0], success.looks[-1]
    assert (first.baseline, first.canary) == (Evidence(), Evidence())
    assert last.canary == Evidence(40 + 3, 43 + 3)
    assert last.baseline == Evidence(40, 43)


@needs_prometheus
def test_a_pod_of_the_same_name_in_another_namespace_is_not_counted(
    queries: UrlQueries, pages: dict[str, Counter]
) -> None:
    pages["elsewhere"].good = 10
    poll("it is scraped", lambda: queries.query('requests_total{pod="elsewhere"} == 10'))
    driver = Driver(queries, [pod("elsewhere", namespace="shop")])
    driver.look()
    assert total(driver.tally) == (0, 0)
    assert "no series with its `namespace` and `pod`" in driver.tally.missing[pod("elsewhere")]
    Driver(queries, [pod("elsewhere", namespace="other")]).until(10, 10)


@needs_prometheus
def test_requests_before_the_end_of_the_warm_up_are_not_counted(queries: UrlQueries, pages: dict[str, Counter]) -> None:
    pages["mixed"].good = 10
    poll("it is scraped", lambda: queries.query('requests_total{pod="mixed"} == 10'))
    now = time.time()
    warm = Pod("mixed", "shop", "uid", "app", Variant.CANARY, 8000, ready_at=now - 9)
    driver = Driver(queries, [warm], Tally(warm_up=10))
    poll("a scrape after the warm-up", lambda: any(scrape.at > now + 1.3 for scrape in driver.look()))
    assert total(driver.tally) == (0, 0)
    pages["mixed"].good = 15
    driver.until(5, 5)


@needs_prometheus
def test_a_prometheus_behind_the_service_proxy_answers_the_same(url: str, pages: dict[str, Counter]) -> None:
    class Api:
        def get_text(self, path: str, *, params: Mapping[str, str] | None = None, timeout: float) -> str:
            prefix = "/api/v1/namespaces/monitoring/services/prometheus:web/proxy"
            assert path.startswith(prefix)
            return requests.get(url + path.removeprefix(prefix), params=params, timeout=timeout).text

    pages["steady"].good, pages["steady"].bad = 75, 25
    Driver(ServiceQueries(Api(), "svc:monitoring/prometheus:web"), [pod("steady")]).until(75, 100)


@needs_prometheus
def test_exposed_metrics_are_those_that_prometheus_has_of_the_pods(
    queries: UrlQueries, pages: dict[str, Counter]
) -> None:
    pages["misspelt"].good, pages["misspelt"].bad = 30, 10
    pages["elsewhere"].good = 10
    metric = Metric.share("success", 'requests_total{custom_status="gut"}', 'requests_total{namespace="shop"}', 0.05)
    source = PrometheusSource(queries, Measures.of([metric]))
    poll("it is scraped", lambda: source.exposed([pod("misspelt")]).counted == {"requests_total": 40})
    exposed = source.exposed([pod("misspelt"), pod("elsewhere")])
    assert {"requests_total", "request_duration_seconds_bucket", "up"} <= exposed.metrics
    assert exposed.values["requests_total"]["custom_status"] == {"good", "bad"}
    assert exposed.matched == {metric.total: 40}, "the pod of the same name in another namespace is not counted"
    [text] = unmatched_selectors(metric, exposed, enough=True, least=1)
    assert text.endswith('Did you mean "good"? The values of custom_status are "good", "bad"')
    missing = Metric.share("success", "request_total", "request_total", 0.05)
    exposed = PrometheusSource(queries, Measures.of([missing])).exposed([pod("misspelt")])
    [text] = unmatched_selectors(missing, exposed, enough=True, least=1)
    assert "Did you mean requests_total?" in text


@needs_prometheus
def test_a_query_that_prometheus_rejects_is_reported(queries: UrlQueries) -> None:
    with pytest.raises(InputError, match=r"rejects the query: bad_data: .*unclosed left parenthesis"):
        queries.query("sum(")


def test_counts_are_missing_in_an_outage_after_the_first_answer() -> None:
    class Flaky:
        down = True

        def query(self, expression: str, at: float | None = None) -> Any:
            if self.down:
                raise NotAnsweringError("connection refused")
            assert expression == "time()" or at == 1000
            return [1000, "1000"] if expression == "time()" else []

    queries = Flaky()
    source = PrometheusSource(queries, MEASURES)
    with pytest.raises(ClusterError, match="connection refused"):
        source.read([pod("a")], since=900)
    queries.down = False
    source.read([pod("a")], since=900)
    queries.down = True
    assert source.read([pod("a")], since=900) == [Scrape(pod("a"), 900, None, problem="connection refused")]
