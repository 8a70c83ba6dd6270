"""Makes objects what they were: what an undo and a rollback do."""

from __future__ import annotations

from canary.events import Written
from canary.objects import DEPLOYMENT, Object
from canary.observe.deployments import is_autoscaled
from canary.ports import Cluster, World
from canary.retry import retry_on_conflict
from canary.state.snapshots import Snapshot
from canary.variants.sizes import replicas


def restore(world: World, one: Snapshot, *, at_least: bool = False) -> None:
    """Make an object what it was: gone, if it was not there. Replicas that an autoscaler sets are left to it.

    Args:
        world: what to work with.
        one: the object.
        at_least: whether a Deployment that has more pods by now than it had keeps them.
    """
    if one.object is None:
        if world.cluster.delete(one.kind, one.name):
            world.listen(Written(one.kind.kind, one.name, "deleted", "was not there before"))
        return
    if one.kind == DEPLOYMENT and (at_least or is_autoscaled(world.cluster, one.name)):
        _put_back_at_its_size(world.cluster, one.object)
    else:
        world.cluster.replace(one.object)
    world.listen(Written(one.kind.kind, one.name, "configured", "as it was before"))


def restored_replicas(cluster: Cluster, was: Object, live: Object) -> int:
    """Return how many pods a Deployment gets that is put back: those of now where they are more, or autoscaled."""
    autoscaled = is_autoscaled(cluster, was["metadata"]["name"])
    return replicas(live) if autoscaled else max(replicas(was), replicas(live))


def _put_back_at_its_size(cluster: Cluster, was: Object) -> None:
    """Put a Deployment back with as many pods as `size_of` says at that very moment: an autoscaler may change it."""
    name = was["metadata"]["name"]

    def attempt() -> Object | None:
        live = cluster.get(DEPLOYMENT, name)
        if live is None:
            return cluster.replace(was)
        metadata = was["metadata"] | {key: live["metadata"][key] for key in ("uid", "resourceVersion")}
        sized = {**was, "metadata": metadata, "spec": was["spec"] | {"replicas": restored_replicas(cluster, was, live)}}
        return cluster.update(sized)

    retry_on_conflict(attempt, f"restore Deployment {name}")
