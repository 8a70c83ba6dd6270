"""Load from many pods: loadtest/ in the cluster, with its web page behind a port-forward."""

from __future__ import annotations

import json
import os
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.cluster import Namespace
from e2e.documented_commands import type_lines, typed
from e2e.polling import poll

pytestmark = [
    pytest.mark.skipif("E2E_KUBECONFIG" not in os.environ, reason="needs containers: make e2e"),
    pytest.mark.xdist_group("monitoring"),  # as much as a small node can hold at a time
]


@pytest.fixture
def locust(stable: Namespace) -> Iterator[str]:
    """Apply loadtest/ beside the app and give the URL of Locust's page."""
    type_lines(stable, "load.md", "kubectl apply -k loadtest", "deployment/locust-master")
    with typed(stable, "load.md", "port-forward service/locust", change={"8089": ":8089"}) as forward:
        assert forward.stdout
        line = forward.stdout.readline()
        (port,) = re.findall(r"127\.0\.0\.1:(\d+)", line) or pytest.fail(f"port-forward: {line}")
        yield f"http://127.0.0.1:{port}"


def ask(url: str, form: dict[str, Any] | None = None) -> Any:
    """Return the answer of Locust's page to a request or a form."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy leads back to this machine
    with direct.open(url, urllib.parse.urlencode(form).encode() if form else None, timeout=30) as answer:
        return json.load(answer)


def counted_by_the_app(namespace: Namespace) -> int:
    """Return the number of requests that all pods have counted."""
    total = 0.0
    for pod in namespace.list("pods", "app=sampleapp"):
        path = f"/api/v1/namespaces/{namespace.name}/pods/{pod['metadata']['name']}:8000/proxy/metrics"
        text = namespace.kubectl("get", "--raw", path)
        total += sum(float(count) for count in re.findall(r"^requests_total\{.*\} (\S+)", text, re.MULTILINE))
    return int(total)


def test_workers_share_the_load_and_the_master_counts_it(stable: Namespace, locust: str) -> None:
    def workers() -> list[dict[str, Any]]:
        ready: list[dict[str, Any]] = ask(f"{locust}/stats/requests")["workers"]
        return ready

    poll("two workers, the autoscaler's least", lambda: len(workers()) == 2, 120)
    ask(
        f"{locust}/swarm",
        {"user_count": 4, "spawn_rate": 4, "rate": 20, "run_time": "10s", "host": "http://sampleapp:8080"},
    )
    poll("each worker has half of the users", lambda: [w["user_count"] for w in workers()] == [2, 2], 30)
    poll("the run ends by itself", lambda: ask(f"{locust}/stats/requests")["state"] == "stopped", 60)
    answered = counted_by_the_app(stable)

    def counts() -> dict[str, dict[str, int]]:
        return {each["name"]: each for each in ask(f"{locust}/stats/requests")["stats"]}

    poll(f"the workers' last reports add up to {answered}", lambda: counts()["Aggregated"]["num_requests"] == answered)
    assert answered > 0
    assert counts().keys() == {"/ 200", "/ 500", "Aggregated"}
    assert counts()["Aggregated"]["num_failures"] == 0

    type_lines(stable, "load.md", "patch hpa locust-worker")
    assert (stable.get("hpa", "locust-worker") or {})["spec"]["minReplicas"] == 5
    type_lines(stable, "load.md", "kubectl delete -k loadtest")
    assert stable.get("deployment", "locust-worker") is None
