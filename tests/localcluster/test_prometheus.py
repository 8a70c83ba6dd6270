"""A real Prometheus discovers pods through the API and scrapes them at their addresses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.localcluster.cluster import Namespace, until
from tests.localcluster.objects import container, deployment, service

PROMETHEUS = os.environ.get("PROMETHEUS") or shutil.which("prometheus")


def discovers_pods() -> bool:
    """Return whether this Prometheus is built with kubernetes_sd_configs (Debian 12's is not)."""
    if not PROMETHEUS:
        return False
    return b"prometheus/discovery/kubernetes" in Path(PROMETHEUS).read_bytes()


pytestmark = pytest.mark.skipif(
    not discovers_pods(), reason="no prometheus with kubernetes_sd_configs on PATH or in PROMETHEUS"
)


def config(namespace: Namespace) -> dict[str, Any]:
    """Return a configuration as for a cluster: pods by annotation, endpoints by the name of their port."""

    def discovery(role: str) -> list[dict[str, Any]]:
        names = {"names": [namespace.name]}
        return [{"role": role, "kubeconfig_file": namespace.cluster.kubeconfig, "namespaces": names}]

    def keep(label: str, pattern: str) -> dict[str, Any]:
        return {"source_labels": [label], "regex": pattern, "action": "keep"}

    pod_name = {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"}
    return {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {
                "job_name": "pods",
                "kubernetes_sd_configs": discovery("pod"),
                "relabel_configs": [keep("__meta_kubernetes_pod_annotation_prometheus_io_scrape", "true"), pod_name],
            },
            {
                "job_name": "endpoints",
                "kubernetes_sd_configs": discovery("endpointslice"),
                "relabel_configs": [keep("__meta_kubernetes_endpointslice_port_name", "http"), pod_name],
            },
        ],
    }


@pytest.fixture
def prometheus(namespace: Namespace, tmp_path: Path) -> Iterator[str]:
    """Provide the address of a Prometheus that watches the namespace of the test."""
    assert PROMETHEUS
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config(namespace)))
    arguments = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0"]
    log = tmp_path / "log"
    env = {**os.environ, "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.0/8"}
    with ExitStack() as stack:
        output = stack.enter_context(log.open("w"))
        process = stack.enter_context(subprocess.Popen([PROMETHEUS, *arguments], cwd=tmp_path, stderr=output, env=env))
        stack.callback(process.terminate)

        def listening() -> str | None:
            lines = [line for line in log.read_text().splitlines() if "Listening on" in line]
            return lines[0].split("address=")[1].split()[0] if lines else None

        yield f"http://{until('Prometheus listens', listening)}"


def query(prometheus: str, expression: str) -> dict[str, float]:
    """Return the values of an instant query by pod."""
    url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression, 'time': time.time()})}"
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return {series["metric"]["pod"]: float(series["value"][1]) for series in found}


@pytest.mark.parametrize("job", ["pods", "endpoints"])
def test_prometheus_discovers_and_scrapes_each_pod_and_drops_deleted_ones(
    namespace: Namespace, prometheus: str, job: str
) -> None:
    annotated = {"annotations": {"prometheus.io/scrape": "true"}, "labels": {"app": "web"}}
    web = deployment(replicas=3, pod={"containers": [container()]})
    web["spec"]["template"]["metadata"] = annotated
    namespace.apply(web, service())
    namespace.wait_for_rollout()
    names = {p["metadata"]["name"] for p in namespace.list("pods")}
    good = f'requests_total{{job="{job}",custom_status="good"}}'
    until("all pods are scraped", lambda: query(prometheus, good) == dict.fromkeys(names, 1.0))
    assert query(prometheus, f'up{{job="{job}"}}') == dict.fromkeys(names, 1.0)
    namespace.kubectl("scale", "deploy/web", "--replicas=1")
    until("one pod is left", lambda: len(query(prometheus, good)) == 1)
