"""Scrapes through the API server's pod proxy."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from canary.errors import ClusterError, NotAnsweringError
from canary.kube.cluster import Cluster
from canary.kube.connection import connect
from canary.kube.transport import Transport
from canary.marks import Variant
from canary.metrics import DirectSource
from canary.verdict.exposed_metrics import ExposedMetrics
from canary.verdict.measures import Measures, Metric
from canary.verdict.scrapes import Pod, Scrape
from canary.verdict.tally import Tally
from tests.http_servers import running, serving

MEASURES = Measures.of([Metric.share("success", 'requests_total{custom_status="good"}', "requests_total")])


class Api:
    """Answers a path with a text, or raises."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.answer = answer
        self.requests: list[tuple[str, float]] = []

    def get_text(self, path: str, *, params: Mapping[str, str] | None = None, timeout: float) -> str:
        assert params is None
        self.requests.append((path, timeout))
        return self.answer(path)


def pod(name: str) -> Pod:
    return Pod(name, "shop", f"uid-{name}", "app", Variant.CANARY, 8000, ready_at=0.0)


def page(good: int, bad: int = 0) -> str:
    return f'requests_total{{custom_status="good"}} {good}\nrequests_total{{custom_status="bad"}} {bad}\n'


def test_each_pod_is_scraped_through_the_proxy_by_port_number() -> None:
    api = Api(lambda path: page(4, 2) if "/a:" in path else page(1))
    source = DirectSource(api, MEASURES, timeout=3, now=lambda: 77.0)
    assert source.read([pod("a"), pod("b")], since=0) == [
        Scrape(pod("a"), 77, {"success good": 4, "success total": 6}),
        Scrape(pod("b"), 77, {"success good": 1, "success total": 1}),
    ]
    assert sorted(api.requests) == [
        ("/api/v1/namespaces/shop/pods/a:8000/proxy/metrics", 3),
        ("/api/v1/namespaces/shop/pods/b:8000/proxy/metrics", 3),
    ]


def test_pods_are_scraped_at_the_same_time() -> None:
    together = threading.Barrier(8, timeout=10)

    def answer(_: str) -> str:
        together.wait()  # would break if one pod waited for another
        return page(1)

    scrapes = DirectSource(Api(answer), MEASURES).read([pod(str(n)) for n in range(8)], since=0)
    assert all(scrape.counters for scrape in scrapes)


@pytest.mark.parametrize("text", ["<html>\n<body>", "not found", '{"kind": "Status"}'])
def test_an_answer_that_is_not_metrics_is_missing_and_never_zero(text: str) -> None:
    [scrape] = DirectSource(Api(lambda _: text), MEASURES).read([pod("a")], since=0)
    assert scrape.counters is None
    assert scrape.problem.startswith("a:8000/metrics is not metrics: ")


def test_a_silent_pod_is_missing_and_the_others_are_counted() -> None:
    def answer(path: str) -> str:
        if "/a:" in path:
            raise NotAnsweringError("no answer in 5 s")
        return page(1)

    silent, other = DirectSource(Api(answer), MEASURES).read([pod("a"), pod("b")], since=0)
    assert (silent.counters, silent.problem) == (None, "no answer in 5 s")
    assert other.counters == {"success good": 1, "success total": 1}


def test_without_the_right_to_read_pods_the_error_says_what_to_grant() -> None:
    def forbid(_: str) -> str:
        raise ClusterError("pods/proxy is forbidden")

    with pytest.raises(ClusterError, match=r"is forbidden; .* grant `get` on `pods/proxy`, or .*--prometheus"):
        DirectSource(Api(forbid), MEASURES).read([pod("a")], since=0)


def test_exposed_metrics_are_read_from_the_pods_that_answer() -> None:
    texts = {"page": "<html>", "a": page(4, 2), "b": 'other_total{path="/"} 1\nrequests_total 3\n'}

    def answer(path: str) -> str:
        if "/silent:" in path:
            raise NotAnsweringError("no answer in 5 s")
        return texts[path.split("/")[6].partition(":")[0]]

    pods = [pod("silent"), pod("page"), pod("a"), pod("b")]
    assert DirectSource(Api(answer), MEASURES).exposed(pods) == ExposedMetrics(
        frozenset({"requests_total", "other_total"}),
        {"requests_total": {"custom_status": frozenset({"good", "bad", ""})}},
        {"requests_total": 9},
        {MEASURES.metrics[0].good: 4, MEASURES.metrics[0].total: 9},
    )


def cluster_at(address: str, tmp_path: Path) -> Cluster:
    """Return a cluster whose API server is at an address."""
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": ""}}],
        "clusters": [{"name": "here", "cluster": {"server": f"http://{address}"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    return Cluster(Transport(lambda: connect(str(tmp_path / "kubeconfig"))), "shop")


def test_a_scrape_with_expired_credentials_is_missing(tmp_path: Path) -> None:
    said = {"kind": "Status", "status": "Failure", "reason": "Unauthorized", "code": 401, "message": "Unauthorized"}
    with serving(lambda *_: (401, json.dumps(said))) as page, closing(cluster_at(page.address, tmp_path)) as cluster:
        [scrape] = DirectSource(cluster, MEASURES).read([pod("a")], since=0)
    assert scrape.counters is None
    assert scrape.problem == "GET /api/v1/namespaces/shop/pods/a:8000/proxy/metrics: 401: Unauthorized"


def test_the_configured_path_is_scraped(tmp_path: Path) -> None:
    requests = []

    def answer(path: str, _: object) -> tuple[int, str]:
        requests.append(path)
        return 200, page(1)

    with serving(answer) as pods, closing(cluster_at(pods.address, tmp_path)) as cluster:
        [scrape] = DirectSource(cluster, MEASURES, path="/v1/metrics?format=prometheus").read([pod("a")], since=0)
    assert scrape.counters == {"success good": 1, "success total": 1}
    assert requests == ["/api/v1/namespaces/shop/pods/a:8000/proxy/v1/metrics?format=prometheus"]


def test_a_connection_is_kept_for_each_pod_that_is_scraped_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise urllib3 drops connections, and warns about it on stderr at every look."""
    together = threading.Barrier(16, timeout=10)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            together.wait()
            body = page(1).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with running(server):
        cluster = cluster_at(f"127.0.0.1:{server.server_port}", tmp_path)
        try:
            scrapes = DirectSource(cluster, MEASURES).read([pod(str(n)) for n in range(16)], since=0)
        finally:
            cluster.close()
    assert all(scrape.counters for scrape in scrapes), scrapes[0].problem
    assert caplog.records == []


def test_without_pods_no_request_is_sent() -> None:
    api = Api(page)  # type: ignore[arg-type]
    assert DirectSource(api, MEASURES).read([], since=0) == []
    assert api.requests == []


def test_the_start_time_of_the_process_reveals_a_restart() -> None:
    text = page(3) + "process_start_time_seconds 1.7e9\n"
    [scrape] = DirectSource(Api(lambda _: text), MEASURES).read([pod("a")], since=0)
    assert scrape.started == 1.7e9


def test_a_series_that_disappears_changes_no_count() -> None:
    registry = CollectorRegistry()
    requests = Counter("requests", "Answers.", ["custom_status", "path"], registry=registry)
    source = DirectSource(Api(lambda _: generate_latest(registry).decode()), MEASURES)
    tally = Tally(0)

    def look() -> tuple[float, float]:
        nonlocal tally
        tally = tally.add(source.read([pod("a")], 0), MEASURES)
        evidence = tally.evidence("app", Variant.CANARY, MEASURES.metrics[0])
        return evidence.good, evidence.total

    requests.labels("good", "/old").inc(500)
    requests.labels("good", "/").inc(99_700)
    requests.labels("bad", "/").inc(100)
    assert look() == (100_200, 100_300)
    requests.remove("good", "/old")
    requests.labels("bad", "/").inc(5)
    assert look() == (100_200, 100_305)
