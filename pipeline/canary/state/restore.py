"""Restores objects from snapshots, for an undo and a rollback."""

from canary.events import Written
from canary.objects import DEPLOYMENT, Object
from canary.observe.deployments import is_autoscaled
from canary.ports import Cluster, World
from canary.retry import retry_on_conflict
from canary.state.snapshots import Snapshot
from canary.variants.sizes import replicas


def restore(world: World, snapshot: Snapshot, *, at_least: bool = False) -> None:
    """Make an object what it was; delete it if it did not exist. Replicas that an autoscaler sets stay.

    Args:
        world: what to work with.
        snapshot: the object as it was.
        at_least: whether a Deployment that has more pods now than then keeps them.
    """
    if snapshot.object is None:
        if world.cluster.delete(snapshot.kind, snapshot.name):
            world.listen(Written(snapshot.kind.kind, snapshot.name, "deleted", "did not exist before"))
        return
    if snapshot.kind == DEPLOYMENT and (at_least or is_autoscaled(world.cluster, snapshot.name)):
        _put_back_at_its_size(world.cluster, snapshot.object)
    else:
        world.cluster.replace(snapshot.object)
    world.listen(Written(snapshot.kind.kind, snapshot.name, "configured", "as it was before"))


def restored_replicas(cluster: Cluster, was: Object, live: Object) -> int:
    """Return how many pods a restored Deployment gets: as many as now where that is more, or an autoscaler sets it."""
    autoscaled = is_autoscaled(cluster, was["metadata"]["name"])
    return replicas(live) if autoscaled else max(replicas(was), replicas(live))


def _put_back_at_its_size(cluster: Cluster, was: Object) -> None:
    """Restore a Deployment with as many pods as `restored_replicas` says at that moment."""
    name = was["metadata"]["name"]

    def attempt() -> Object | None:
        live = cluster.get(DEPLOYMENT, name)
        if live is None:
            return cluster.replace(was)
        metadata = was["metadata"] | {key: live["metadata"][key] for key in ("uid", "resourceVersion")}
        sized = {**was, "metadata": metadata, "spec": was["spec"] | {"replicas": restored_replicas(cluster, was, live)}}
        return cluster.update(sized)

    retry_on_conflict(attempt, f"restore Deployment {name}")
