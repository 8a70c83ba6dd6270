"""The rights that a release takes: one table, which `canary doctor` asks the API server about, and `rbac.yml` grants.

Names are those of one workload: `{name}` is stable, and RBAC's `resourceNames` keeps who may write only the variants
from writing that. A right to create by POST cannot be limited to names; one to create by server-side apply can.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Task(StrEnum):
    """What a right is for."""

    DEPLOY = "deploy, watch, reject"
    PROMOTE = "promote"
    LOOK = "warn of what is around"
    METRICS = "read counts"


@dataclass(frozen=True)
class Right:
    """To do some things with some objects of the namespace.

    Attributes:
        task: what it is for.
        group: API group, empty for the core's.
        resource: plural, with its subresource: `deployments/scale`.
        verbs: as RBAC has them.
        names: of objects, `{name}` standing for the workload's; empty means any.
        why: what the driver does by it.
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
        """Return whether the right is the one that tells who may promote from who may only deploy."""
        return self.task is Task.PROMOTE and self.resource == "deployments"

    def of(self, name: str) -> Right:
        """Return the right for a workload of this name."""
        return replace(self, names=tuple(one.format(name=name) for one in self.names))


_VARIANTS = ("{name}-canary", "{name}-baseline")

WORKLOAD = (
    Right(Task.DEPLOY, "apps", "deployments", ("get", "list"), "sees what there is"),
    Right(Task.DEPLOY, "apps", "deployments", ("create",), "makes canary and baseline"),
    Right(Task.DEPLOY, "apps", "deployments", ("patch", "delete"), "marks step and expiry, rejects", _VARIANTS),
    Right(Task.DEPLOY, "apps", "deployments/scale", ("patch",), "goes from step to step", _VARIANTS),
    Right(Task.DEPLOY, "apps", "replicasets", ("list",), "tells stable's pods from the variants'"),
    Right(Task.DEPLOY, "", "pods", ("list",), "sees which are ready, and which died"),
    Right(Task.DEPLOY, "", "pods/log", ("get",), "shows why a container died, and keeps the rejected canary's logs"),
    Right(Task.DEPLOY, "", "events", ("list",), "shows what holds pods up"),
    Right(Task.DEPLOY, "", "services", ("list",), "sees whether requests come to the canary"),
    Right(Task.DEPLOY, "", "configmaps", ("get",), "sees whether a promote was interrupted", ("{name}-before",)),
    Right(
        Task.DEPLOY,
        "",
        "configmaps",
        ("get", "create", "patch"),
        "keeps what was counted",
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
        "writes stable, and puts back what was before, if anything",
        ("{name}",),
    ),
    Right(Task.PROMOTE, "discovery.k8s.io", "endpointslices", ("list",), "sees whether requests find the new pods"),
    Right(Task.PROMOTE, "autoscaling", "horizontalpodautoscalers", ("list",), "leaves replicas to an autoscaler"),
    Right(Task.PROMOTE, "", "configmaps", ("create",), "keeps what was before"),
    Right(Task.PROMOTE, "", "configmaps", ("patch", "delete"), "keeps what was before", ("{name}-before",)),
    Right(
        Task.PROMOTE, "", "configmaps", ("get", "patch", "delete"), "undoes a rollback that fails", ("{name}-rollback",)
    ),
    Right(
        Task.LOOK, "autoscaling", "horizontalpodautoscalers", ("list",), "warns of those that count the variants' pods"
    ),
    Right(Task.LOOK, "policy", "poddisruptionbudgets", ("list",), "warns of those that count the variants' pods"),
    Right(Task.LOOK, "autoscaling.k8s.io", "verticalpodautoscalers", ("list",), "warns of those that see the variants"),
)
"""What every release of a Deployment takes."""

PODS = Right(Task.METRICS, "", "pods/proxy", ("get",), "reads counts from the pods")
"""Reads counts where they come from the pods."""

SERVICES = Right(Task.METRICS, "", "services/proxy", ("get",), "reads counts from Prometheus")
"""Reads counts where a Prometheus in the cluster has them."""


def of_object(group: str, resource: str, name: str) -> tuple[Right, ...]:
    """Return what a release takes for an object beside the Deployments: a Service, a configuration.

    Args:
        group: API group.
        resource: plural.
        name: of the object.
    """
    return (
        Right(Task.DEPLOY, group, resource, ("create",), "makes it where it is not there"),
        Right(Task.DEPLOY, group, resource, ("get",), "sees what would change", (name,)),
        Right(Task.PROMOTE, group, resource, ("patch", "update", "delete"), "writes it, and puts it back", (name,)),
    )


def of_configuration(resource: str, name: str) -> tuple[Right, ...]:
    """Return what a release takes on top for a ConfigMap or a Secret: for the copy that the canary alone refers to.

    Args:
        resource: `configmaps` or `secrets`.
        name: of the object.
    """
    return (Right(Task.DEPLOY, "", resource, ("get", "delete"), "copies it for the canary", (f"{name}-canary",)),)


SECRETS_BEFORE = (
    Right(Task.PROMOTE, "", "secrets", ("create",), "keeps what was before"),
    Right(Task.PROMOTE, "", "secrets", ("get", "delete"), "keeps what was before", ("{name}-before",)),
    Right(Task.PROMOTE, "", "secrets", ("get", "delete"), "undoes a rollback that fails", ("{name}-rollback",)),
)
"""What a release of a workload takes on top where the manifests have Secrets."""


Asked = tuple[Right, str, str]
"""A right, one of its verbs, and one of its names (empty: any)."""


def each(rights: Iterable[Right]) -> list[Asked]:
    """Return everything that is to be asked about."""
    return [(right, verb, name) for right in rights for verb in right.verbs for name in right.names or ("",)]
