"""Counts from a Prometheus in the cluster, through the API server, and from the pods themselves."""

from __future__ import annotations

import json
import re
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.cluster import Namespace, Objects
from e2e.documented_commands import type_lines


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus behind a Service.

    Attributes:
        namespace: where it runs.
        service: its name and port.
    """

    namespace: Namespace
    service: str

    def get(self, path: str) -> Any:
        """Return the data of an answer of its HTTP API, given the path after /api/v1/."""
        proxy = f"/api/v1/namespaces/{self.namespace.name}/services/{self.service}/proxy/api/v1/"
        return json.loads(self.namespace.kubectl("get", "--raw", proxy + path))["data"]

    def query(self, expression: str) -> Objects:
        """Return the series of an instant query."""
        result: Objects = self.get("query?query=" + urllib.parse.quote(expression))["result"]
        return result

    def counted(self, namespace: Namespace) -> dict[tuple[str, str], float]:
        """Return a namespace's requests_total by pod and status."""
        series = self.query(f'requests_total{{namespace="{namespace.name}"}}')
        return {(s["metric"]["pod"], s["metric"]["custom_status"]): float(s["value"][1]) for s in series}


def counted_by_pods(namespace: Namespace) -> dict[tuple[str, str], float]:
    """Return requests_total by pod and status, from the pods themselves."""
    counts = {}
    for pod in namespace.list("pods", "app=sampleapp"):
        name = pod["metadata"]["name"]
        text = namespace.kubectl("get", "--raw", f"/api/v1/namespaces/{namespace.name}/pods/{name}:8000/proxy/metrics")
        for status, count in re.findall(r'^requests_total\{custom_status="(\w+)"\} (\S+)', text, re.MULTILINE):
            counts[name, status] = float(count)
    return counts


def install(kubeconfig: Path, folder: Path) -> Prometheus:
    """Install monitoring/prometheus and return it. It stays for other tests, and two workers may do this at once."""
    monitoring = Namespace("monitoring", kubeconfig, folder)
    type_lines(monitoring, "prometheus.md", "make prometheus")
    return Prometheus(monitoring, "prometheus:9090")
