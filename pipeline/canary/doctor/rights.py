"""The permissions that a release needs, in one table: `canary doctor` checks them, and `rbac.yml` grants them.

Names are those of one workload. `{name}` is stable: with `resourceNames`, RBAC lets an account write the variants and
not stable. A permission to create by POST cannot be limited to names; one to create by server-side apply can.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Task(StrEnum):
    """What a permission is for."""

    DEPLOY = "deploy, watch, reject"
    PROMOTE = "promote"
    LOOK = "warn about conflicts"
    NOTIFY = "write Events"
    METRICS = "read metrics"
    ROUTE = "divide requests by a route"
    VIEW = "show releases in a console"
    DECIDE = "answer a gate in a console"


@dataclass(frozen=True)
class Right:
    """The permission to do something with some objects of the namespace.

    Attributes:
        task: what it is for.
        group: API group, empty for the core's.
        resource: plural, with its subresource: `deployments/scale`.
        verbs: as RBAC has them.
        names: of objects, `{name}` standing for the workload's; empty means any.
        why: what the driver uses it for.
    """

    task: Task
    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    names: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Return the resource as `kubectl auth can-i` takes it: `deployments.apps/scale`."""
        resource, slash, subresource = self.resource.partition("/")
        return (f"{resource}.{self.group}" if self.group else resource) + slash + subresource

    @property
    def writes_stable(self) -> bool:
        """Return whether the permission is the one that tells who may promote from who may only deploy."""
        return self.task is Task.PROMOTE and self.resource == "deployments"

    def of(self, name: str) -> Right:
        """Return the permission for a workload of this name."""
        return replace(self, names=tuple(one.format(name=name) for one in self.names))


_VARIANTS = ("{name}-canary", "{name}-baseline")

WORKLOAD = (
    Right(Task.DEPLOY, "apps", "deployments", ("get", "list"), "sees which variants exist"),
    Right(Task.DEPLOY, "apps", "deployments", ("create",), "creates canary and baseline"),
    Right(Task.DEPLOY, "apps", "deployments", ("patch", "delete"), "marks step and expiry, rejects", _VARIANTS),
    Right(Task.DEPLOY, "apps", "deployments/scale", ("patch",), "scales from step to step", _VARIANTS),
    Right(Task.DEPLOY, "apps", "replicasets", ("list",), "tells stable's pods from the variants'"),
    Right(Task.DEPLOY, "", "pods", ("list",), "sees which are ready, and which died"),
    Right(Task.DEPLOY, "", "pods/log", ("get",), "shows why a container died, and keeps the rejected canary's logs"),
    Right(Task.DEPLOY, "", "events", ("list",), "shows why pods are not ready"),
    Right(Task.DEPLOY, "", "services", ("list",), "sees whether requests reach the canary"),
    Right(Task.DEPLOY, "", "configmaps", ("get",), "sees whether a promote was interrupted", ("{name}-before",)),
    Right(
        Task.DEPLOY,
        "",
        "configmaps",
        ("get", "create", "patch"),
        "saves the counts",
        ("{name}-canary-counts",),
    ),
    Right(Task.DEPLOY, "coordination.k8s.io", "leases", ("create",), "keeps two drivers apart"),
    Right(
        Task.DEPLOY,
        "coordination.k8s.io",
        "leases",
        ("get", "update", "delete"),
        "keeps two drivers apart",
        ("{name}-canary",),
    ),
    Right(
        Task.PROMOTE,
        "apps",
        "deployments",
        ("patch", "update", "delete"),
        "writes stable, and restores the version before",
        ("{name}",),
    ),
    Right(Task.PROMOTE, "discovery.k8s.io", "endpointslices", ("list",), "sees whether requests reach the new pods"),
    Right(Task.PROMOTE, "autoscaling", "horizontalpodautoscalers", ("list",), "leaves replicas to an autoscaler"),
    Right(Task.PROMOTE, "", "configmaps", ("create",), "saves the version before"),
    Right(Task.PROMOTE, "", "configmaps", ("patch", "delete"), "saves the version before", ("{name}-before",)),
    Right(
        Task.PROMOTE, "", "configmaps", ("get", "patch", "delete"), "undoes a rollback that fails", ("{name}-rollback",)
    ),
    Right(Task.NOTIFY, "", "events", ("create",), "shows the release in kubectl describe deployment"),
    Right(
        Task.LOOK,
        "autoscaling",
        "horizontalpodautoscalers",
        ("list",),
        "warns about those that count the variants' pods",
    ),
    Right(Task.LOOK, "policy", "poddisruptionbudgets", ("list",), "warns about those that count the variants' pods"),
    Right(
        Task.LOOK,
        "autoscaling.k8s.io",
        "verticalpodautoscalers",
        ("list",),
        "warns about those that act on the variants",
    ),
)
"""Needed by every release of a Deployment."""

CONSOLE = (
    Right(Task.VIEW, "apps", "deployments", ("get", "list"), "shows stable, baseline and canary"),
    Right(Task.VIEW, "apps", "replicasets", ("list",), "tells stable's pods from the variants'"),
    Right(Task.VIEW, "", "pods", ("list",), "shows which are ready, and which died"),
    Right(Task.VIEW, "", "pods/log", ("get",), "shows why a container died"),
    Right(Task.VIEW, "", "events", ("list",), "shows what drivers did, and why pods are not ready"),
    Right(Task.VIEW, "coordination.k8s.io", "leases", ("get",), "shows who is at work", ("{name}-canary",)),
    Right(
        Task.VIEW,
        "",
        "configmaps",
        ("get",),
        "shows the counts and the last promote",
        ("{name}-canary-counts", "{name}-before"),
    ),
    Right(Task.DECIDE, "apps", "deployments", ("patch",), "records a decision on the canary", ("{name}-canary",)),
)
"""Needed by a console. To reject a release that nobody waits for, it needs those of `Task.DEPLOY`, too."""

PODS = Right(Task.METRICS, "", "pods/proxy", ("get",), "reads metrics from the pods")
"""Needed where metrics are read from the pods."""

SERVICES = Right(Task.METRICS, "", "services/proxy", ("get",), "reads metrics from Prometheus")
"""Needed where metrics are read from a Prometheus in the cluster."""


def of_object(group: str, resource: str, name: str) -> tuple[Right, ...]:
    """Return the permissions that a release needs for an object other than the Deployments: a Service, a ConfigMap.

    Args:
        group: API group.
        resource: plural.
        name: of the object.
    """
    return (
        Right(Task.DEPLOY, group, resource, ("create",), "creates it where it does not exist"),
        Right(Task.DEPLOY, group, resource, ("get",), "sees what would change", (name,)),
        Right(Task.PROMOTE, group, resource, ("patch", "update", "delete"), "writes it, and restores it", (name,)),
    )


def of_configuration(resource: str, name: str) -> tuple[Right, ...]:
    """Return the permissions that a release needs besides for a ConfigMap or a Secret: for the canary's own copy.

    Args:
        resource: `configmaps` or `secrets`.
        name: of the object.
    """
    return (Right(Task.DEPLOY, "", resource, ("get", "delete"), "copies it for the canary", (f"{name}-canary",)),)


def of_route(name: str) -> tuple[Right, ...]:
    """Return the permissions that a release needs besides to divide its requests by an HTTPRoute.

    Args:
        name: of the HTTPRoute.
    """
    services = ("{name}-stable", "{name}-baseline", "{name}-canary")
    group = "gateway.networking.k8s.io"
    return (
        Right(Task.ROUTE, group, "httproutes", ("get", "update"), "divides the requests, and puts it back", (name,)),
        Right(Task.ROUTE, "", "services", ("create",), "creates one for each variant"),
        Right(Task.ROUTE, "", "services", ("get", "update", "delete"), "leads to the pods of a variant", services),
        Right(Task.ROUTE, "discovery.k8s.io", "endpointslices", ("list",), "sees whether requests would find pods"),
    )


SECRETS_BEFORE = (
    Right(Task.PROMOTE, "", "secrets", ("create",), "saves the version before"),
    Right(Task.PROMOTE, "", "secrets", ("get", "delete"), "saves the version before", ("{name}-before",)),
    Right(Task.PROMOTE, "", "secrets", ("get", "delete"), "undoes a rollback that fails", ("{name}-rollback",)),
)
"""Needed besides where the manifests have Secrets."""


Asked = tuple[Right, str, str]
"""A permission, one of its verbs, and one of its names (empty: any)."""


def each(rights: Iterable[Right]) -> list[Asked]:
    """Return each permission once for each of its verbs and names."""
    return [(right, verb, name) for right in rights for verb in right.verbs for name in right.names or ("",)]
