"""Writes manifests onto the cluster so that they, and nothing older, say what an object is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canary.collaborators import DEPLOYMENT, Kind
from canary.deployments import images, is_autoscaled, replicas
from canary.events import Written
from canary.ownership import with_last_applied
from canary.variants import configuration_of, stable, with_configuration

if TYPE_CHECKING:
    from canary.collaborators import Cluster, Object, World


def intended(cluster: Cluster, incoming: Object, *, configuration: str = "") -> Object:
    """Return a manifest as it is to be written.

    The replicas of a Deployment are never left out, as the API server would make that one pod: they are the manifest's;
    where an autoscaler sets them, or the manifest does not say, those that there are now.

    Args:
        cluster: the Kubernetes API.
        incoming: the manifest.
        configuration: digest of a release that changed what a Deployment's pods are configured by, so that they are
            started anew; empty leaves them the one that they have.
    """
    if Kind.of(incoming) != DEPLOYMENT:
        return with_last_applied(incoming)
    name, count = incoming["metadata"]["name"], replicas(incoming)
    live = cluster.get(DEPLOYMENT, name)
    if live is not None and (incoming["spec"].get("replicas") is None or is_autoscaled(cluster, name)):
        count = replicas(live)
    mark = configuration or (configuration_of(live) if live is not None else "")
    return with_configuration(with_last_applied(stable(incoming, replicas=count)), mark)


def write(world: World, incoming: Object, *, configuration: str = "") -> bool:
    """Write a manifest by server-side apply, first taking over what kubectl or Helm wrote; return whether it changed.

    Args:
        world: what to work with.
        incoming: the manifest.
        configuration: see `intended`.

    Raises:
        InputError, ClusterError: the API server refuses it.
    """
    kind, name = Kind.of(incoming), incoming["metadata"]["name"]
    world.cluster.take_over(kind, name)
    before = world.cluster.get(kind, name)
    after = world.cluster.apply(intended(world.cluster, incoming, configuration=configuration))
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
