"""What a Deployment and its pods say of themselves."""

from collections.abc import Iterable
from dataclasses import dataclass

from canary.marks import Variant, variant_name
from canary.objects import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    POD,
    REPLICA_SET,
    SERVICE,
    Object,
    annotations_of,
    owner_uids,
)
from canary.ports import Cluster
from canary.times import parse_timestamp
from canary.variants.sizes import replicas

REVISION = "deployment.kubernetes.io/revision"
"""Annotation of a Deployment, and of the ReplicaSet of its present pod template."""


@dataclass(frozen=True)
class Workload:
    """The Deployments of one workload that there are now.

    Attributes:
        name: of the stable one.
        stable: as the API server has it, None if there is none.
        baseline: the same.
        canary: the same.
    """

    name: str
    stable: Object | None
    baseline: Object | None
    canary: Object | None

    @property
    def variants(self) -> dict[Variant, Object]:
        """Return those that exist."""
        every = {Variant.STABLE: self.stable, Variant.BASELINE: self.baseline, Variant.CANARY: self.canary}
        return {variant: found for variant, found in every.items() if found is not None}


@dataclass(frozen=True)
class Progress:
    """How far a Deployment's rollout is.

    Attributes:
        desired: pods wanted.
        updated: pods of the newest template.
        ready: pods ready, of any template.
        renewed: pods of the newest template that are ready; fewer are counted where old ones are not ready.
        available: pods available, of any template.
        outdated: pods of older templates.
        complete: whether all pods wanted are there, updated and available, and no other.
    """

    desired: int
    updated: int
    ready: int
    renewed: int
    available: int
    outdated: int
    complete: bool


def read_workload(cluster: Cluster, name: str) -> Workload:
    """Return the workload as it is now."""
    found = {variant: cluster.get(DEPLOYMENT, variant_name(name, variant)) for variant in Variant}
    return Workload(name, found[Variant.STABLE], found[Variant.BASELINE], found[Variant.CANARY])


def progress(deployment: Object) -> Progress:
    """Return how far a rollout is, by the rules of `kubectl rollout status`, but strict about surplus pods."""
    status = deployment.get("status") or {}
    desired, ready, every = replicas(deployment), status.get("readyReplicas") or 0, status.get("replicas") or 0
    if (status.get("observedGeneration") or 0) < deployment["metadata"].get("generation", 0):
        # the status speaks of an older template
        return Progress(desired, 0, ready, 0, available=0, outdated=every, complete=False)
    updated, available = status.get("updatedReplicas") or 0, status.get("availableReplicas") or 0
    outdated = every - updated
    complete = all(count == desired for count in (every, updated, ready, available))
    return Progress(desired, updated, ready, max(0, ready - outdated), available, outdated, complete)


def is_ready(deployment: Object) -> bool:
    """Return whether a Deployment has pods, and all of them are ready."""
    return replicas(deployment) > 0 and progress(deployment).complete


def images(deployment: Object) -> tuple[str, ...]:
    """Return the images of a Deployment's containers."""
    return tuple(container["image"] for container in deployment["spec"]["template"]["spec"]["containers"])


def pods_of(cluster: Cluster, deployment: Object) -> list[Object]:
    """Return the pods of a Deployment; see `pods_by_deployment`."""
    return pods_by_deployment(cluster, [deployment])[deployment["metadata"]["uid"]]


def pods_by_deployment(cluster: Cluster, deployments: Iterable[Object]) -> dict[str, list[Object]]:
    """Return, by each Deployment's uid, the pods that it owns through its ReplicaSets, those on their way out left out.

    Its selector would not do: stable's matches the pods of all variants. However many Deployments there are, pods and
    ReplicaSets are listed once.
    """
    found: dict[str, list[Object]] = {}
    selectors = []
    for deployment in deployments:
        found[deployment["metadata"]["uid"]] = []
        selectors.append(deployment["spec"]["selector"].get("matchLabels") or {})
    if not found:
        return {}
    labels = dict(set.intersection(*(set(selector.items()) for selector in selectors)))
    owned = {
        one["metadata"]["uid"]: uid
        for one in cluster.find(REPLICA_SET, labels=labels)
        for uid in owner_uids(one) & found.keys()
    }
    for pod in cluster.find(POD, labels=labels):
        for uid in {owned[one] for one in owner_uids(pod) & owned.keys()}:
            if not pod["metadata"].get("deletionTimestamp"):
                found[uid].append(pod)
    return found


def replica_sets_of(cluster: Cluster, deployment: Object) -> list[Object]:
    """Return the ReplicaSets that a Deployment owns."""
    labels, uid = deployment["spec"]["selector"].get("matchLabels") or {}, deployment["metadata"]["uid"]
    return [found for found in cluster.find(REPLICA_SET, labels=labels) if uid in owner_uids(found)]


def newest_replica_set(cluster: Cluster, deployment: Object) -> Object | None:
    """Return the ReplicaSet of a Deployment's present pod template, None if there is none yet."""
    revision = annotations_of(deployment).get(REVISION)
    every = replica_sets_of(cluster, deployment)
    return next((found for found in every if revision and annotations_of(found).get(REVISION) == revision), None)


def services_of(cluster: Cluster, deployment: Object) -> tuple[str, ...]:
    """Return the names of the Services that select a Deployment's pods."""
    labels = (deployment["spec"]["template"].get("metadata") or {}).get("labels") or {}
    selected = (
        (service["metadata"]["name"], service["spec"].get("selector") or {}) for service in cluster.find(SERVICE)
    )
    return tuple(sorted(name for name, selector in selected if selector and selector.items() <= labels.items()))


def is_autoscaled(cluster: Cluster, name: str) -> bool:
    """Return whether a HorizontalPodAutoscaler sets a Deployment's replicas."""
    if not cluster.serves(HORIZONTAL_POD_AUTOSCALER):
        return False
    targets = (found["spec"]["scaleTargetRef"] for found in cluster.find(HORIZONTAL_POD_AUTOSCALER))
    return any(target["kind"] == "Deployment" and target["name"] == name for target in targets)


def ready_since(pod: Object) -> float | None:
    """Return the Unix seconds since when a pod is ready, None while it is not."""
    condition = condition_of(pod, "Ready")
    if condition.get("status") != "True":
        return None
    return parse_timestamp(condition["lastTransitionTime"])


def condition_of(obj: Object, kind: str) -> Object:
    """Return a condition of an object's status, empty if it has none of that kind."""
    conditions: list[Object] = (obj.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), {})
