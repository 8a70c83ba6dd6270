"""A server on loopback that plays what `canary watch` talks to: the API server, the pods' metrics, and Prometheus.

`python -m bench.watched_cluster 50` prints the port, and then one line each time the driver begins a look.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PADDING = int(os.environ.get("PADDING", "300"))  # lines of metrics that a pod exposes besides the sample app's
BOUNDS = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"]
SCRAPE_INTERVAL = 15  # seconds, of Prometheus
KINDS = {
    "/api/v1": [("Pod", "pods"), ("ConfigMap", "configmaps"), ("Service", "services"), ("Event", "events")],
    "/apis/apps/v1": [("Deployment", "deployments"), ("ReplicaSet", "replicasets")],
    "/apis/coordination.k8s.io/v1": [("Lease", "leases")],
}
Object = dict[str, Any]


@dataclass(frozen=True)
class Fleet:
    """A namespace `shop` with a release of `app`.

    Attributes:
        each: pods of stable, baseline and canary.
        began: Unix seconds.
    """

    each: int
    began: float

    def objects(self) -> Iterator[tuple[str, Object]]:
        """Yield the path and content of each object."""
        for suffix in ("", "-baseline", "-canary"):
            name = f"app{suffix}"
            labels = {"app": "app"} | ({"azure-pipelines/version": suffix[1:]} if suffix else {})
            template = {"metadata": {"labels": labels}, "spec": _pod_spec(name)}
            status = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), self.each)
            yield (
                f"/apis/apps/v1/namespaces/shop/deployments/{name}",
                {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": _metadata(name, labels, generation=1),
                    "spec": {"replicas": self.each, "selector": {"matchLabels": labels}, "template": template},
                    "status": status | {"observedGeneration": 1},
                },
            )
            yield (
                f"/apis/apps/v1/namespaces/shop/replicasets/{name}-1",
                {
                    "metadata": _metadata(f"{name}-1", labels, owner=("Deployment", name)),
                },
            )
            for n in range(self.each):
                labels_of_pod = labels | {"pod-template-hash": "1"}
                yield (
                    f"/api/v1/namespaces/shop/pods/{name}-1-{n}",
                    {
                        "metadata": _metadata(f"{name}-1-{n}", labels_of_pod, owner=("ReplicaSet", f"{name}-1")),
                        "spec": _pod_spec(name) | {"nodeName": f"node-{n % 50}"},
                        "status": _pod_status(),
                    },
                )

    def counted(self, pod: str, at: float) -> tuple[int, list[int]]:
        """Return how many requests a pod has answered by a time, and how many of them within each bound."""
        total = int((at - self.began + 600) * (7 + hash(pod) % 3))
        return total, [total * (n + 1) // len(BOUNDS) for n in range(len(BOUNDS))]

    def page(self, pod: str, at: float) -> str:
        """Return the metrics that a pod exposes at a time."""
        total, within = self.counted(pod, at)
        return "\n".join(
            [
                PAGE,
                "# HELP requests_total Requests answered, good or bad.",
                "# TYPE requests_total counter",
                f'requests_total{{custom_status="good"}} {total - total // 20}.0',
                f'requests_total{{custom_status="bad"}} {total // 20}.0',
                "# HELP request_duration_seconds Time from the arrival of a request to its answer.",
                "# TYPE request_duration_seconds histogram",
                *(
                    f'request_duration_seconds_bucket{{le="{bound}"}} {count}.0'
                    for bound, count in zip(BOUNDS, within, strict=True)
                ),
                f"request_duration_seconds_count {total}.0",
                f"request_duration_seconds_sum {total / 20}",
                "",
            ]
        )

    def query(self, expression: str) -> list[Any]:
        """Return Prometheus's answer to a query of the driver."""
        now = time.time()
        if expression == "time()":
            return [now, str(now)]
        if expression.startswith("group by (__name__)"):
            return [
                {"metric": {"__name__": name}} for name in ("up", "requests_total", "request_duration_seconds_bucket")
            ]
        name, seconds = expression.partition("{")[0], re.search(r"\[(\d+)s\]$", expression)
        [pods] = re.findall(r'pod=~"([^"]*)"', expression)
        first = now - int(seconds[1]) if seconds else now
        scraped = now // SCRAPE_INTERVAL * SCRAPE_INTERVAL
        times = [scraped - n * SCRAPE_INTERVAL for n in range(100) if scraped - n * SCRAPE_INTERVAL >= first][::-1]
        where = {"__name__": name, "namespace": "shop", "container": "app", "job": "app", "instance": "10.0.0.1:8000"}
        return [
            {
                "metric": where | {"pod": pod} | labels,
                **(
                    {"values": [[at, str(value(at))] for at in times]}
                    if seconds
                    else {"value": [now, str(value(scraped))]}
                ),
            }
            for pod in pods.split("|")
            for labels, value in self._series(name, pod, expression)
        ]

    def _series(self, name: str, pod: str, expression: str) -> list[tuple[dict[str, str], Callable[[float], float]]]:
        if name == "up":
            return [({}, lambda _: 1)]
        if name == "requests_total":
            good = ({"custom_status": "good"}, lambda at: (total := self.counted(pod, at)[0]) - total // 20)
            bad = ({"custom_status": "bad"}, lambda at: self.counted(pod, at)[0] // 20)
            return [good] if 'custom_status="good"' in expression else [good, bad]
        return [({"le": le}, partial(self._within, pod, n)) for n, le in enumerate(BOUNDS)]

    def _within(self, pod: str, bound: int, at: float) -> float:
        return self.counted(pod, at)[1][bound]


PAGE = (
    "\n".join(
        f'http_client_seconds_bucket{{service="backend-{n // 12}",method="GET",le="{BOUNDS[n % 12]}"}} {n * 17}.0'
        for n in range(PADDING)
    )
    + f"\nprocess_start_time_seconds {time.time() - 3600}"
)


def _metadata(
    name: str, labels: Object, *, generation: int | None = None, owner: tuple[str, str] | None = None
) -> Object:
    metadata: Object = {
        "name": name,
        "namespace": "shop",
        "uid": f"00000000-0000-0000-0000-{abs(hash(name)) % 10**12:012d}",
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": labels,
        "annotations": {"kubectl.kubernetes.io/default-container": "app"},
        # As many bytes as in a real pod.
        "managedFields": [
            {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:x": "y" * 1500}}
        ],
    }
    if generation:
        metadata["generation"] = generation
    if owner:
        kind, of = owner
        uid = f"00000000-0000-0000-0000-{abs(hash(of)) % 10**12:012d}"
        metadata["ownerReferences"] = [
            {"apiVersion": "apps/v1", "kind": kind, "name": of, "uid": uid, "controller": True}
        ]
    return metadata


def _pod_spec(name: str) -> Object:
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5, "failureThreshold": 3}
    container = {
        "name": "app",
        "image": f"registry.example/{name}:1",
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 8000}],
        "env": [{"name": f"SETTING_{n}", "value": "a value of usual length"} for n in range(10)],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "readinessProbe": probe,
        "livenessProbe": probe,
    }
    return {"containers": [container], "serviceAccountName": "default", "terminationGracePeriodSeconds": 30}


def _pod_status() -> Object:
    since = datetime.fromtimestamp(time.time() - 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # longer ago than the warm-up
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    running = {"name": "app", "ready": True, "restartCount": 0, "state": {"running": {"startedAt": since}}}
    return {
        "phase": "Running",
        "conditions": [{"type": kind, "status": "True", "lastTransitionTime": since} for kind in kinds],
        "containerStatuses": [
            running | {"image": "registry.example/app:1", "imageID": "registry.example/app@sha256:" + "a" * 64}
        ],
        "podIP": "10.0.0.1",
    }


class Server:
    """Answers the driver's requests, on connections that stay open."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._objects = dict(fleet.objects())
        self._lists: dict[str, bytes] = {}

    async def serve(self) -> None:
        """Print the port, then one line each time a look begins, until killed."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=2**22)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            method, target, _ = line.decode().split()
            length = 0
            while (header := await reader.readline()) not in (b"\r\n", b""):
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            status, body = self._answer(method, target, await reader.readexactly(length))
            writer.write(
                f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n".encode()
            )
            writer.write(body)
            await writer.drain()
        writer.close()

    def _answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(target)
        if found := re.match(r"/api/v1/namespaces/shop/pods/([^/:]+):8000/proxy/metrics$", parts.path):
            return 200, self._fleet.page(found[1], time.time()).encode()
        if parts.path == "/api/v1/query":
            return 200, _json(
                {"status": "success", "data": {"result": self._fleet.query(parse_qs(parts.query)["query"][0])}}
            )
        if parts.path in KINDS:
            resources = [{"name": plural, "kind": kind, "namespaced": True} for kind, plural in KINDS[parts.path]]
            return 200, _json({"resources": resources})
        if method == "GET" and parts.path.rpartition("/")[2] in {
            plural for kinds in KINDS.values() for _, plural in kinds
        }:
            return 200, self._list(parts.path)
        return self._object(method, parts.path, body)

    def _list(self, path: str) -> bytes:
        if path.endswith("/pods"):
            print("a look begins", flush=True)
        if path not in self._lists:  # a list does not change
            items = [one for at, one in self._objects.items() if at.startswith(f"{path}/")]
            self._lists[path] = _json({"items": items})
        return self._lists[path]

    def _object(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if method == "POST":
            path = f"{path}/{json.loads(body)['metadata']['name']}"
        if method in ("POST", "PUT") or (method == "PATCH" and "/configmaps/" in path):
            made = json.loads(body)
            self._objects[path] = made | {"metadata": made["metadata"] | {"uid": "1", "resourceVersion": "1"}}
        if method == "DELETE":
            self._objects.pop(path, None)
            return 200, b"{}"
        if path not in self._objects:
            return 404, _json({"kind": "Status", "reason": "NotFound", "message": path})
        return 200, _json(self._objects[path])


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


if __name__ == "__main__":
    asyncio.run(Server(Fleet(int(sys.argv[1]), time.time())).serve())
