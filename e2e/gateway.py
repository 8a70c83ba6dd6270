"""A Gateway for the tests, and clients that send requests through it."""

from __future__ import annotations

import http.client
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from e2e.background import InBackground
from e2e.cluster import Namespace
from e2e.polling import poll
from e2e.traefik import PORT, traefik

API = "gateway.networking.k8s.io/v1"
LIMIT = 60_000  # requests of one load, so that nothing runs for ever


def route(*, name: str = "sampleapp", service: str = "sampleapp", **rule: Any) -> dict[str, Any]:
    """Return an HTTPRoute that sends all requests to a Service."""
    spec = {"parentRefs": [{"name": "entry"}], "rules": [{"backendRefs": [{"name": service, "port": 8080}], **rule}]}
    return {"apiVersion": API, "kind": "HTTPRoute", "metadata": {"name": name}, "spec": spec}


def serves_routes(namespace: Namespace) -> bool:
    """Return whether the cluster has the Gateway API, which is an addition to Kubernetes."""
    return "httproutes" in namespace.kubectl("api-resources", "--api-group=gateway.networking.k8s.io")


def accept_route(namespace: Namespace) -> None:
    """Create the HTTPRoute, and say for a controller that is not there that it accepts this change and all others."""
    seen = {
        "reason": "Test",
        "message": "",
        "observedGeneration": 1_000_000,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    conditions = [{"type": kind, "status": "True", **seen} for kind in ("Accepted", "ResolvedRefs")]
    parent = {"parentRef": {"name": "entry"}, "controllerName": "example.com/test", "conditions": conditions}
    status = json.dumps({"status": {"parents": [parent]}})
    namespace.apply(route())
    namespace.kubectl("patch", "httproute", "sampleapp", "--subresource=status", "--type=merge", "-p", status)


@contextmanager
def gateway(namespace: Namespace) -> Iterator[str]:
    """Give host and port of a Gateway `entry` of the namespace, which a Traefik of its own serves."""
    of_class = {"apiVersion": API, "kind": "GatewayClass", "metadata": {"name": namespace.name}}
    listener = {"name": "http", "port": PORT, "protocol": "HTTP"}
    entry = {"apiVersion": API, "kind": "Gateway", "metadata": {"name": "entry"}}
    with traefik(namespace) as address:
        namespace.apply(
            {**of_class, "spec": {"controllerName": "traefik.io/gateway-controller"}},
            {**entry, "spec": {"gatewayClassName": namespace.name, "listeners": [listener]}},
        )
        try:
            yield address
        finally:
            namespace.kubectl("delete", "gatewayclass", namespace.name, check=False)


@dataclass
class Clients(InBackground):
    """Clients outside the cluster that send requests to a Gateway.

    Attributes:
        address: host and port of the Gateway.
        keep_alive: whether each client keeps one connection, instead of one for each request.
        rate: requests per second, of all clients together.
        headers: of each request.
        answered: answers, counted by the Deployment whose pod gave them.
        problems: what went wrong, counted: a connection that failed, or an answer that is none of the app.
    """

    address: str
    keep_alive: bool = True
    rate: float = 100
    headers: dict[str, str] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)

    def send(self) -> None:
        """Send requests until the block ends."""
        connection = http.client.HTTPConnection(self.address, timeout=10)
        with closing(connection):
            for _ in range(LIMIT // self.threads):
                if self.stop.wait(self.threads / self.rate):
                    return
                try:
                    connection.request("GET", "/", headers=self.headers)
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException) as error:
                    self.problems[repr(error)] += 1
                    connection.close()
                    continue
                pod = answer.headers.get("X-Served-By")
                if pod is None:
                    self.problems[f"{answer.status} without a pod"] += 1
                else:
                    self.answered[re.sub(r"-[a-z0-9]+-[a-z0-9]+$", "", pod)] += 1
                if not self.keep_alive:
                    connection.close()


def shares(address: str, requests: int, headers: dict[str, str] | None = None) -> Counter[str]:
    """Return which Deployments have answered requests on one connection that is kept alive."""
    with Clients(address, threads=1, rate=2000, headers=headers or {}) as clients:
        poll(  # one after the other, which is slow on a busy node
            f"{requests} answers",
            lambda: clients.answered.total() + clients.problems.total() >= requests,
            seconds=170,
        )
    assert not clients.problems
    return clients.answered
