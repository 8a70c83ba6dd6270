"""How things were before a promote, kept in a Secret until it is done, so that a promote can be undone."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canary.collaborators import DEPLOYMENT, SECRET, Kind
from canary.deployments import is_autoscaled, replicas
from canary.events import Written
from canary.variants import DIGEST_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from canary.collaborators import Cluster, Object, World

DATA = "objects.json"


@dataclass(frozen=True)
class Saved:
    """One object as it was.

    Attributes:
        kind: of the object.
        name: of the object.
        object: as the API server had it, None if there was none.
    """

    kind: Kind
    name: str
    object: Object | None


def save(cluster: Cluster, name: str, digest: str, objects: Iterable[Object]) -> None:
    """Keep what is about to be overwritten.

    An interrupted promote of the same release has saved it already, and what it saved is what was before.

    Args:
        cluster: the Kubernetes API.
        name: of the workload; the Secret is `NAME-before`.
        digest: of the release that is promoted.
        objects: that are going to be written; each is looked up.
    """
    earlier = saved_digest(cluster, name)
    if earlier == digest:
        return
    if earlier is not None:
        forget(cluster, name)
    kept = [
        {
            "apiVersion": obj["apiVersion"],
            "kind": obj["kind"],
            "name": obj["metadata"]["name"],
            "object": cluster.get(Kind.of(obj), obj["metadata"]["name"]),
        }
        for obj in objects
    ]
    cluster.create(
        {
            "apiVersion": SECRET.api_version,
            "kind": SECRET.kind,
            "metadata": {"name": secret_name(name), "annotations": {DIGEST_ANNOTATION: digest}},
            "type": "Opaque",
            "data": {DATA: base64.b64encode(json.dumps(kept).encode()).decode()},
        }
    )


def saved_digest(cluster: Cluster, name: str) -> str | None:
    """Return the digest of the release whose promote saved something and is not done; None if there is none."""
    secret = cluster.get(SECRET, secret_name(name))
    return None if secret is None else (secret["metadata"].get("annotations") or {}).get(DIGEST_ANNOTATION, "")


def saved(cluster: Cluster, name: str) -> tuple[Saved, ...]:
    """Return what was saved of a workload, empty if nothing was."""
    secret = cluster.get(SECRET, secret_name(name))
    if secret is None:
        return ()
    kept = json.loads(base64.b64decode(secret["data"][DATA]))
    return tuple(Saved(Kind(one["apiVersion"], one["kind"]), one["name"], one["object"]) for one in kept)


def put_back(world: World, one: Saved) -> None:
    """Make an object what it was: gone, if it was not there. Replicas that an autoscaler sets are left to it."""
    if one.object is None:
        world.cluster.delete(one.kind, one.name)
        world.listen(Written(one.kind.kind, one.name, "deleted", "was not there before"))
        return
    was = one.object
    if one.kind == DEPLOYMENT and is_autoscaled(world.cluster, one.name):
        live = world.cluster.get(one.kind, one.name)
        if live is not None:
            was = {**was, "spec": was["spec"] | {"replicas": replicas(live)}}
    world.cluster.replace(was)
    world.listen(Written(one.kind.kind, one.name, "configured", "as it was before"))


def forget(cluster: Cluster, name: str) -> None:
    """Delete what was saved of a workload."""
    cluster.delete(SECRET, secret_name(name))


def secret_name(name: str) -> str:
    """Return the name of the Secret."""
    return f"{name}-before"
