"""Finds out how a running app exposes its counts, so that `canary init` need not ask."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from canary.errors import NotAnsweringError
from canary.marks import Variant
from canary.objects import DEPLOYMENT, Object, annotations_of
from canary.observe.deployments import pods_of, ready_since
from canary.ports import Cluster
from canary.verdict.measures import Sample
from canary.verdict.request_counters import RequestCounter, request_counters
from canary.verdict.scrapes import Pod
from canary.verdict.selector import Selector

PATHS = ("/metrics", "/actuator/prometheus", "/q/metrics", "/prometheus")
"""Where client libraries and frameworks expose metrics."""

READ = 3
"""Pods to read: one alone may not have answered each kind of request yet."""


class CounterSource(Protocol):
    """Where counters come from: the pods, or Prometheus."""

    def counters(self, pods: Sequence[Pod]) -> list[Sample]:
        """Return all counters of the pods; raises ClusterError."""


@dataclass(frozen=True)
class Exposed:
    """What the pods of an app expose.

    Attributes:
        pods: names of the pods that were read.
        port: the container port, by name if it has one, else by number; empty if none exposes metrics.
        path: at which it exposes metrics.
        requests: counters of requests that tell good from bad, the most likely one first.
        counters: names of all counters.
        problem: why no counters of requests were found, and what to do; empty if some were.
    """

    pods: tuple[str, ...] = ()
    port: str = ""
    path: str = ""
    requests: tuple[RequestCounter, ...] = ()
    counters: tuple[str, ...] = ()
    problem: str = ""

    def without(self, *selectors: str) -> tuple[str, ...]:
        """Return the names of the counters that selectors select and no pod has, each once."""
        names = dict.fromkeys(Selector.parse(one).name for one in selectors)
        return tuple(name for name in names if name not in self.counters)


def exposed_by(
    cluster: Cluster, source: Callable[[str], CounterSource], deployment: Object, *, port: str, path: str, direct: bool
) -> Exposed:
    """Return what the running pods of a Deployment expose.

    Args:
        cluster: the Kubernetes API.
        source: returns where the counters come from, for a path.
        deployment: as in the manifests.
        port: the container port to read, by name or number; empty to find it.
        path: the path to read; empty to find it.
        direct: whether counters come from the pods; else from Prometheus.

    Raises:
        ClusterError: the cluster is unreachable, or forbids it.
    """
    name = deployment["metadata"]["name"]
    live = cluster.get(DEPLOYMENT, name)
    if live is None:
        return Exposed(
            problem=f"there is no Deployment {name} in namespace {cluster.namespace} yet. To let canary init "
            f"find its metrics, deploy it first: canary apply MANIFESTS --image IMAGE"
        )
    pods = [pod for pod in pods_of(cluster, live) if ready_since(pod) is not None][:READ]
    if not pods:
        return Exposed(problem=f"no pod of {name} is ready: canary doctor {name} says why")
    names = tuple(pod["metadata"]["name"] for pod in pods)
    if not direct:
        return _judged(Exposed(names), source("").counters(_scraped(name, pods, 0)), "Prometheus")
    tried = []
    for shown, number in _ports(deployment, live, port):
        for one in (path,) if path else _paths(deployment, live):
            try:
                samples = source(one).counters(_scraped(name, pods, number))
            except NotAnsweringError as error:
                tried.append(f"{number}{one}")
                last = error
                continue
            return _judged(Exposed(names, shown, one), samples, f"{number}{one} of {names[0]}")
    if not tried:
        return Exposed(names, problem=f"the containers of {name} list no ports: pass --metrics-port")
    return Exposed(names, problem=f"{names[0]} exposes no metrics at {', '.join(tried)} (the last answer: {last})")


def _judged(exposed: Exposed, samples: Sequence[Sample], where: str) -> Exposed:
    requests, counters = tuple(request_counters(samples)), tuple(sorted({name for name, _, _ in samples}))
    if requests:
        return replace(exposed, requests=requests, counters=counters)
    has = f"has the counters {', '.join(counters)}" if counters else "has no counters at all"
    return replace(
        exposed,
        counters=counters,
        problem=f"{where} {has}, and none of them counts requests with a label such as status or code. Many libraries "
        "add a counter only after the first request: send some, and run canary init again",
    )


def _ports(deployment: Object, live: Object, wanted: str) -> Iterator[tuple[str, int]]:
    """Yield the container ports that may expose metrics, the most likely first: as to write it, and its number."""
    ports = [
        port
        for container in live["spec"]["template"]["spec"]["containers"]
        for port in container.get("ports") or []
        if (port.get("protocol") or "TCP") == "TCP"
    ]
    named = {str(port.get("name") or port["containerPort"]): int(port["containerPort"]) for port in ports}
    annotated = _annotations(deployment, live).get("prometheus.io/port", "")
    for first in filter(None, (wanted, annotated)):
        number = int(first) if first.isdecimal() else named.get(first)
        if number is not None:
            yield next((name for name, port in named.items() if port == number), first), number
    if not wanted:
        yield from sorted(named.items(), key=lambda one: _rank(one[0], one[1], live))


def _rank(name: str, number: int, live: Object) -> int:
    """Return how late to try a port: last those for users, whose app would count the attempt as a request."""
    if any(word in name for word in ("metric", "prom")):
        return 0
    probes = [
        (container.get(kind) or {}).get("httpGet", {}).get("port")
        for container in live["spec"]["template"]["spec"]["containers"]
        for kind in ("readinessProbe", "livenessProbe", "startupProbe")
    ]
    return 2 if name in probes or number in probes or name in ("http", "https", "web") else 1


def _paths(deployment: Object, live: Object) -> tuple[str, ...]:
    annotated = _annotations(deployment, live).get("prometheus.io/path", "")
    return tuple(dict.fromkeys(filter(None, (annotated, *PATHS))))


def _annotations(*deployments: Object) -> Mapping[str, str]:
    """Return the annotations of the pods of Deployments; those of the first count."""
    found: dict[str, str] = {}
    for one in reversed(deployments):
        found |= annotations_of(one["spec"]["template"])
    return found


def _scraped(workload: str, pods: Sequence[Object], port: int) -> list[Pod]:
    return [
        Pod(
            pod["metadata"]["name"],
            pod["metadata"]["namespace"],
            pod["metadata"]["uid"],
            workload,
            Variant.STABLE,
            port,
        )
        for pod in pods
    ]
