"""Writes manifests onto the cluster so that they, and nothing older, say what an object is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canary.collaborators import DEPLOYMENT, Kind
from canary.deployments import images, is_autoscaled, replicas
from canary.events import Written
from canary.ownership import LAST_APPLIED, with_last_applied
from canary.variants import stable

if TYPE_CHECKING:
    from canary.collaborators import Cluster, Object, World


def intended(cluster: Cluster, incoming: Object) -> Object:
    """Return a manifest as it is to be written.

    The replicas of a Deployment are never left out, as the API server would make that one pod: they are the manifest's;
    where an autoscaler sets them, or the manifest does not say, those that there are now.
    """
    if Kind.of(incoming) != DEPLOYMENT:
        return with_last_applied(incoming)
    name, count = incoming["metadata"]["name"], replicas(incoming)
    live = cluster.get(DEPLOYMENT, name)
    if live is not None and (incoming["spec"].get("replicas") is None or is_autoscaled(cluster, name)):
        count = replicas(live)
    return with_last_applied(stable(incoming, replicas=count))


def write(world: World, incoming: Object) -> bool:
    """Write a manifest by server-side apply, first taking over what kubectl or Helm wrote; return whether it changed.

    Raises:
        InputError, ClusterError: the API server refuses it.
    """
    kind, name = Kind.of(incoming), incoming["metadata"]["name"]
    world.cluster.take_over(kind, name)
    before = world.cluster.get(kind, name)
    after = world.cluster.apply(intended(world.cluster, incoming))
    changed = before is None or before["metadata"]["resourceVersion"] != after["metadata"]["resourceVersion"]
    action = "created" if before is None else "configured" if changed else "unchanged"
    world.listen(Written(kind.kind, name, action, describe(after)))
    return changed


def describe(obj: Object) -> str:
    """Return what a reader wants to know of an object: of a Deployment its pods and images, of others nothing."""
    if Kind.of(obj) != DEPLOYMENT:
        return ""
    count = replicas(obj)
    return f"{count} replica{'' if count == 1 else 's'} of {', '.join(images(obj))}"


def would_change(cluster: Cluster, incoming: Object) -> tuple[str, ...] | None:
    """Return the fields of an existing object that the manifest would change, by dry run; None if it does not exist.

    Only top-level fields are named. What the manifest no longer has shows only where `canary` itself wrote it.
    """
    live = cluster.get(Kind.of(incoming), incoming["metadata"]["name"])
    if live is None:
        return None
    planned = cluster.apply(with_last_applied(incoming), dry_run=True)
    tops = sorted({*live, *planned} - {"metadata", "status"})
    marks = [mark for mark in ("labels", "annotations") if _marks(live, mark) != _marks(planned, mark)]
    return (*(top for top in tops if live.get(top) != planned.get(top)), *(f"metadata.{mark}" for mark in marks))


def _marks(obj: Object, which: str) -> Object:
    """Return labels or annotations less what only repeats the manifest."""
    return {key: value for key, value in (obj["metadata"].get(which) or {}).items() if key != LAST_APPLIED}
