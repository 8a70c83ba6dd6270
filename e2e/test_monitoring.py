"""Prometheus and Fortio in the cluster, as in the how-to. Their images need containers, which localcluster lacks."""

from __future__ import annotations

import json
import math
import os
import threading
from pathlib import Path
from typing import Self

import pytest

from e2e.cluster import ROOT, Namespace
from e2e.documented_commands import type_lines
from e2e.polling import poll
from e2e.prometheus import Prometheus, counted_by_pods, install

pytestmark = [
    pytest.mark.skipif("E2E_KUBECONFIG" not in os.environ, reason="needs containers: make e2e"),
]

RELEASE = {"percentage": 100, "tolerance": 0.05, "warm-up": "1s", "min-duration": "10s", "gate": "auto"}
GRAFANA = (
    'rate(requests_total{pod=~"sampleapp-.*", custom_status="good"}[1m])',
    'rate(requests_total{pod=~"sampleapp-baseline-.*|sampleapp-canary-.*", custom_status="good"}[1m])',
)


@pytest.fixture(scope="module")
def prometheus(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    """Install monitoring/prometheus."""
    return install(kubeconfig, tmp_path_factory.mktemp("monitoring"))


@pytest.fixture
def fortio(namespace: Namespace) -> str:
    """Deploy misc/fortio-deploy.yml and return its pod's name."""
    namespace.kubectl("apply", "-f", str(ROOT / "misc/fortio-deploy.yml"))
    namespace.kubectl("rollout", "status", "deployment/fortio-deploy", "--timeout=120s")
    return namespace.kubectl("get", "pods", "-l", "app=fortio", "-o", "name").strip()


class Load:
    """Runs the how-to's command in the Fortio pod while the block lasts, at most until its own time limit."""

    def __init__(self, namespace: Namespace, pod: str, seconds: int) -> None:
        self.output = ""
        self._namespace, self._pod, self._seconds = namespace, pod, seconds
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        options = f"-allow-initial-errors -keepalive=false -qps 50 -t {self._seconds}s -json -"
        line = ["/usr/bin/fortio", "load", *options.split(), "http://sampleapp:8080/"]
        self.output = self._namespace.kubectl("exec", self._pod, "-c", "fortio", "--", *line, check=False)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def codes(self) -> dict[str, int]:
        """Return Fortio's own count of answers by HTTP status (-1: none)."""
        counted: dict[str, int] = json.loads(self.output)["RetCodes"]
        return counted


@pytest.fixture
def released(stable: Namespace, manifests: Path) -> Namespace:
    """Give a namespace where sampleapp:20 runs as canary beside sampleapp:10."""
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "100")
    return stable


def test_fortio_in_a_pod_reaches_every_variant_by_the_services_name(released: Namespace, fortio: str) -> None:
    with Load(released, fortio, seconds=5) as load:
        pass
    assert set(load.codes()) == {"200", "500"}, load.output
    counts = counted_by_pods(released)
    assert sum(counts.values()) == sum(load.codes().values()) + 4  # Fortio warms each of its connections up with one
    assert all(counts[pod, "good"] + counts[pod, "bad"] > 0 for pod, _ in counts)


def test_fortio_ends_with_the_answers_that_it_got(stable: Namespace) -> None:
    shorter = {"-t 5m": "-t 2s"}
    type_lines(
        stable, "load.md", "apply -f misc/fortio", "rollout status deployment/fortio", "FORTIO_POD", change=shorter
    )
    type_lines(stable, "load.md", "delete -f misc/fortio")
    assert stable.get("deployment", "fortio-deploy") is None


def test_prometheus_finds_the_pods_and_the_tutorials_queries_show_them(
    released: Namespace, prometheus: Prometheus, fortio: str
) -> None:
    with Load(released, fortio, seconds=20):
        pass
    counts = counted_by_pods(released)
    poll("Prometheus has what the pods counted", lambda: prometheus.counted(released) == counts, 30)
    for expression in GRAFANA:
        rates = {
            s["metric"]["pod"]: float(s["value"][1])
            for s in prometheus.query(expression)
            if s["metric"]["namespace"] == released.name
        }
        variants = {name.rsplit("-", 2)[0] for name, rate in rates.items() if rate > 0}
        assert variants >= {"sampleapp-baseline", "sampleapp-canary"}, rates
    dashboard = json.loads((ROOT / "monitoring/grafana/sampleapp.json").read_text())
    for expression in [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]:
        series = prometheus.query(expression.replace("$namespace", released.name))
        assert series, expression
        assert not any(math.isnan(float(one["value"][1])) for one in series), expression


def test_a_release_is_judged_by_what_prometheus_scraped(
    stable: Namespace, manifests: Path, prometheus: Prometheus, fortio: str
) -> None:
    assert manifests == stable.folder / "manifests"
    (stable.folder / "canary.yml").write_text(json.dumps(RELEASE | {"report": "report"}))
    with Load(stable, fortio, seconds=60) as load:
        type_lines(stable, "prometheus.md", "--prometheus svc:monitoring/prometheus:9090", folder=stable.folder)
    verdict = json.loads((stable.folder / "report/report.json").read_text())["verdict"]
    assert verdict["decision"] == "PROMOTE"
    success = next(c for c in verdict["comparisons"] if c["metric"] == "success")
    assert min(success["requests"].values()) >= 50
    assert stable.images("sampleapp") == ["sampleapp:20"]
    assert set(load.codes()) == {"200", "500"}
