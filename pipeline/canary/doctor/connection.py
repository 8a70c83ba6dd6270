"""Checks the connection to the cluster, and the permissions of this account there."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from canary.doctor.check import Check, failed, ok, warning
from canary.doctor.rights import (
    PODS,
    SECRETS_BEFORE,
    SERVICES,
    WORKLOAD,
    Asked,
    Task,
    each,
    of_configuration,
    of_object,
    of_route,
)
from canary.objects import CONFIG_MAP, SECRET, VERTICAL_POD_AUTOSCALER, Kind, Object
from canary.ports import Cluster

TOLERATED = 5.0
"""Seconds by which two clocks may differ; a release uses both."""

AT_ONCE = 8
"""Rights that are checked at the same time."""

ROLES = "pipeline/rbac.yml has Roles that grant it"


@dataclass(frozen=True)
class Route:
    """How requests to a server go.

    Attributes:
        to: the server, for a person: `the API server`.
        host: its host name or address.
        proxy: the proxy in between, without its user and password; empty where there is none.
    """

    to: str
    host: str
    proxy: str


@dataclass(frozen=True)
class PrometheusService:
    """A Prometheus in the cluster that metrics are read from.

    Attributes:
        namespace: of its Service.
        name: of its Service and port, as in the URL of the API server's proxy: `prometheus:9090`.
    """

    namespace: str
    name: str


def check_proxies(routes: Iterable[Route]) -> Iterator[Check]:
    """Yield whether requests go through a proxy, and whether the proxy is likely to reach the server."""
    for route in routes:
        if not route.proxy:
            yield ok("proxy", f"requests to {route.to} ({route.host}) bypass the proxy")
        elif _is_inside(route.host):
            yield warning(
                "proxy",
                f"requests to {route.to} go through {route.proxy}, and {route.host} looks like a local host",
                f"if the proxy cannot reach it, add {route.host} to NO_PROXY",
            )
        else:
            yield ok("proxy", f"requests to {route.to} ({route.host}) go through {route.proxy}")


def check_clock(theirs: float | None, ours: float) -> Check:
    """Return whether this machine's clock and the API server's agree.

    Args:
        theirs: time of the API server in Unix seconds, rounded down; None where its answers carry none.
        ours: Unix seconds of this machine.
    """
    if theirs is None:
        return warning("clock", "the API server's answers carry no time", "compare its clock with this machine's")
    ahead = ours - (theirs + 0.5)
    if abs(ahead) <= TOLERATED:
        return ok("clock", "this machine's clock and the API server's agree within a few seconds")
    return warning(
        "clock",
        f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the API server's, so that "
        "warm-up and expiry are wrong by that much",
        "set the clock, for example with NTP",
    )


def check_rights(
    cluster: Cluster,
    names: Sequence[str],
    others: Sequence[Object],
    prometheus: PrometheusService | None,
    *,
    pods: bool,
    route: str = "",
) -> Iterator[Check]:
    """Yield for each task whether this account has all permissions for it.

    Args:
        cluster: the Kubernetes API.
        names: of the workloads; without any, each permission is checked for objects of any name.
        others: objects of the manifests other than the Deployments.
        prometheus: the one in the cluster that metrics are read from.
        pods: whether metrics are read from the pods.
        route: name of the HTTPRoute that is to divide the requests, empty without one.
    """
    sizes_pods = cluster.serves(VERTICAL_POD_AUTOSCALER)
    served = [one for one in WORKLOAD if sizes_pods or one.resource != "verticalpodautoscalers"]
    needed = [right.of(name) for name in names for right in served]
    needed = needed or [replace(right, names=()) for right in served]
    for other in others:
        kind, own = Kind.of(other), other["metadata"]["name"]
        needed += of_object(kind.api_version.rpartition("/")[0], cluster.plural(kind), own)
        needed += of_configuration(cluster.plural(kind), own) if kind in (CONFIG_MAP, SECRET) else ()
    if any(Kind.of(other) == SECRET for other in others):
        needed += [right.of(name) for name in names for right in SECRETS_BEFORE]
    needed += [right.of(name) for name in names for right in of_route(route)] if route else []
    needed += [PODS] if pods else []
    where = dict.fromkeys(each(needed), None)
    if prometheus:
        where[replace(SERVICES, names=(prometheus.name,)), "get", prometheus.name] = prometheus.namespace
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="permissions") as threads:
        answers = threads.map(partial(_may, cluster), where, where.values())
        granted = dict(zip(where, answers, strict=True))
    for task in Task:
        of_task = {one: has for one, has in granted.items() if one[0].task is task}
        if of_task:
            yield _check_task(task, of_task, of_any_name=not names)


def _may(cluster: Cluster, asked: Asked, namespace: str | None) -> bool:
    right, verb, name = asked
    return cluster.may(verb, right.group, right.resource, name, namespace=namespace)


def _check_task(task: Task, granted: Mapping[Asked, bool], *, of_any_name: bool) -> Check:
    missing = [one for one, has in granted.items() if not has]
    subject = "permissions"
    if not missing:
        every = f"all {len(granted)} " if len(granted) > 1 else ""
        return ok(subject, f"permissions to {task}: {every}granted")
    text = f"permissions to {task}: missing {_shown(missing)}"
    if of_any_name:
        text += " (for any name; to check one Deployment, pass its name)"
    match task:
        case Task.LOOK:
            return warning(
                subject, f"{text}: canary cannot warn about conflicts with these", "grant it, or check them yourself"
            )
        case Task.NOTIFY:
            return warning(
                subject, f"{text}: kubectl describe deployment will not show the release", "grant it, or do without it"
            )
        case Task.METRICS if any(right == PODS for right, _, _ in missing):
            return failed(subject, text, "grant it, or read metrics from Prometheus (--prometheus)")
        case Task.METRICS:
            return failed(subject, text, "grant it, or read metrics from the pods (without --prometheus)")
        case Task.PROMOTE if any(right.writes_stable for right, _, _ in missing):
            advice = f"canary deploy, watch and reject work without it; canary release and promote do not. {ROLES}"
            return warning(subject, f"{text}: this account cannot promote, which may be intended", advice)
    return failed(subject, text, ROLES)


def _shown(rights: Iterable[Asked]) -> str:
    """Return permissions as `kubectl auth can-i` takes them: `patch deployments.apps/scale app-canary`."""
    by_object: dict[tuple[str, str], list[str]] = {}
    for right, verb, name in rights:
        by_object.setdefault((right.kind, name), []).append(verb)
    return ", ".join(f"{'/'.join(verbs)} {kind} {name}".rstrip() for (kind, name), verbs in by_object.items())


def _is_inside(host: str) -> bool:
    """Return whether a host is one that a proxy to the internet does not reach."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".svc"))
