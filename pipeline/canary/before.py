"""How things were before the last promote, kept in the cluster until the next: an undo or a rollback puts it back.

A ConfigMap `NAME-before` holds the objects, and an annotation of it says whether the promote is under way or done.
Values of Secrets do not belong there: a Secret of the same name, which the ConfigMap owns, holds those. It is made only
where a Secret would be overwritten, so that others need no rights on any.
"""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from canary.collaborators import CONFIG_MAP, DEPLOYMENT, SECRET, Kind
from canary.deployments import is_autoscaled, replicas
from canary.errors import ClusterError, InputError
from canary.events import Written
from canary.variants import DIGEST_ANNOTATION, OWN_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from canary.collaborators import Cluster, Object, World

DATA = "objects.json"
COMPRESSED = "objects.json.gz"
READABLE = 768 * 1024
"""Bytes up to which a person can read what is kept; more is compressed, as a ConfigMap takes 1 MiB."""

STATE = f"{OWN_PREFIX}state"
"""Annotation: how far the promote is, see `State`."""

UNDOING = f"{OWN_PREFIX}undoing"
"""Annotation: why a promote failed, while it is being undone."""

ATTEMPTS = 20
"""How often a Deployment is put back that changes all the time: the status of a rollout counts as a change, too."""


class State(StrEnum):
    """How far the promote is that something was kept for."""

    PROMOTING = "promoting"
    DONE = "done"


@dataclass(frozen=True)
class Standing:
    """What the record of a workload's last promote says of that promote.

    Attributes:
        digest: of the release that is promoted.
        state: how far it is.
        failed: why it failed, while it is being undone; else empty.
    """

    digest: str
    state: State
    failed: str = ""


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

    An interrupted promote of the same release has saved it already, and what it saved is what was before. What an
    earlier promote has kept is replaced.

    Args:
        cluster: the Kubernetes API.
        name: of the workload; what keeps it is `NAME-before`.
        digest: of the release that is promoted.
        objects: that are going to be written; each is looked up.

    Raises:
        InputError: there is a ConfigMap of that name that is not ours, or there is too much to keep; nothing was saved.
    """
    earlier = cluster.get(CONFIG_MAP, before_name(name))
    if earlier is not None:
        was = _standing(earlier)
        if was is None:
            raise InputError(
                f"ConfigMap {before_name(name)} is not canary's (it has no annotation {DIGEST_ANNOTATION}), and "
                "promote needs that name to keep what was before: rename the ConfigMap, or delete it"
            )
        if is_saved(cluster, name, digest):
            return
        forget(cluster, name)
    found = [(Kind.of(obj), obj["metadata"]["name"]) for obj in objects]
    live = {one: cluster.get(*one) for one in found}
    secrets = {one[1]: obj for one, obj in live.items() if one[0] == SECRET and obj is not None}
    kept = [
        {"apiVersion": kind.api_version, "kind": kind.kind, "name": own}
        | ({} if kind == SECRET and own in secrets else {"object": live[kind, own]})
        for kind, own in found
    ]
    metadata = {"name": before_name(name), "annotations": {DIGEST_ANNOTATION: digest, STATE: State.PROMOTING}}
    made = cluster.create(
        {"apiVersion": CONFIG_MAP.api_version, "kind": CONFIG_MAP.kind, "metadata": metadata, **_packed(kept)}
    )
    if secrets:
        owner = {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.kind,
            "name": before_name(name),
            "uid": made["metadata"]["uid"],
        }
        cluster.create(
            {
                "apiVersion": SECRET.api_version,
                "kind": SECRET.kind,
                "metadata": {"name": before_name(name), "ownerReferences": [owner]},
                "type": "Opaque",
                "data": {own: _encoded(json.dumps(obj).encode()) for own, obj in secrets.items()},
            }
        )


def standing(cluster: Cluster, name: str) -> Standing | None:
    """Return what is known of a workload's last promote, None if nothing is kept of it."""
    keeper = cluster.get(CONFIG_MAP, before_name(name))
    return None if keeper is None else _standing(keeper)


def saved_digest(cluster: Cluster, name: str) -> str | None:
    """Return the digest of the release whose promote was begun and is not done; None if there is none."""
    found = standing(cluster, name)
    return found.digest if found is not None and found.state is State.PROMOTING else None


def is_saved(cluster: Cluster, name: str, digest: str) -> bool:
    """Return whether a promote of a release has kept all that it will overwrite of a workload, and is not done."""
    keeper = cluster.get(CONFIG_MAP, before_name(name))
    was = None if keeper is None else _standing(keeper)
    if keeper is None or was is None or was.state is not State.PROMOTING or was.digest != digest:
        return False
    return _is_whole(cluster, keeper)


def finish(cluster: Cluster, name: str) -> None:
    """Note that a promote is done. What was before stays, for a rollback, until the next promote."""
    cluster.annotate(CONFIG_MAP, before_name(name), {STATE: State.DONE, UNDOING: None})


def saved(cluster: Cluster, name: str) -> tuple[Saved, ...]:
    """Return what was saved of a workload, empty if nothing was."""
    keeper = cluster.get(CONFIG_MAP, before_name(name))
    if keeper is None or _standing(keeper) is None:
        return ()
    kept = _unpacked(keeper)
    values = _values(cluster, name) if _has_secrets(kept) else {}
    return tuple(
        Saved(
            Kind(one["apiVersion"], one["kind"]),
            one["name"],
            one["object"] if "object" in one else json.loads(base64.b64decode(values[one["name"]])),
        )
        for one in kept
    )


def mark_undoing(cluster: Cluster, name: str, reason: str) -> None:
    """Note that what was saved is being put back, so that whoever comes next goes on with that."""
    cluster.annotate(CONFIG_MAP, before_name(name), {STATE: State.PROMOTING, UNDOING: reason})


def undoing(cluster: Cluster, name: str) -> str:
    """Return why the promote failed that is being undone, empty if none is."""
    found = standing(cluster, name)
    return found.failed if found is not None and found.state is State.PROMOTING else ""


def put_back(world: World, one: Saved) -> None:
    """Make an object what it was: gone, if it was not there. Replicas that an autoscaler sets are left to it."""
    if one.object is None:
        if world.cluster.delete(one.kind, one.name):
            world.listen(Written(one.kind.kind, one.name, "deleted", "was not there before"))
        return
    if one.kind == DEPLOYMENT and is_autoscaled(world.cluster, one.name):
        _put_back_at_its_size(world.cluster, one.object)
    else:
        world.cluster.replace(one.object)
    world.listen(Written(one.kind.kind, one.name, "configured", "as it was before"))


def _put_back_at_its_size(cluster: Cluster, was: Object) -> None:
    """Put a Deployment back with the replicas that it has at that very moment, which an autoscaler may change."""
    name = was["metadata"]["name"]
    for _ in range(ATTEMPTS):
        live = cluster.get(DEPLOYMENT, name)
        if live is None:
            cluster.replace(was)
            return
        metadata = was["metadata"] | {key: live["metadata"][key] for key in ("uid", "resourceVersion")}
        sized = {**was, "metadata": metadata, "spec": was["spec"] | {"replicas": replicas(live)}}
        if cluster.update(sized) is not None:
            return
    raise ClusterError(f"put back Deployment {name}: others write it at the same time, again and again")


def forget(cluster: Cluster, name: str) -> None:
    """Delete what was saved of a workload.

    The ConfigMap goes first: without it nothing counts as saved, and its Secret goes with it, whoever is stopped here.
    """
    keeper = cluster.get(CONFIG_MAP, before_name(name))
    if keeper is None or _standing(keeper) is None:
        return
    cluster.delete(CONFIG_MAP, before_name(name), uid=keeper["metadata"]["uid"])
    if _has_secrets(_unpacked(keeper)):
        cluster.delete(SECRET, before_name(name))


def before_name(name: str) -> str:
    """Return the name of what keeps a workload's objects."""
    return f"{name}-before"


def _standing(keeper: Object) -> Standing | None:
    """Return what a record says; None where it is not one of ours. Without a state, an older driver wrote it."""
    annotations = keeper["metadata"].get("annotations") or {}
    if DIGEST_ANNOTATION not in annotations:
        return None
    state = State(annotations.get(STATE, State.PROMOTING))
    return Standing(annotations[DIGEST_ANNOTATION], state, annotations.get(UNDOING, ""))


def _is_whole(cluster: Cluster, keeper: Object) -> bool:
    """Return whether the Secret that belongs to a ConfigMap was made, too: who was stopped before wrote nothing yet."""
    if not _has_secrets(_unpacked(keeper)):
        return True
    secret = cluster.get(SECRET, keeper["metadata"]["name"])
    owners = (secret or {"metadata": {}})["metadata"].get("ownerReferences") or []
    return any(owner["uid"] == keeper["metadata"]["uid"] for owner in owners)


def _has_secrets(kept: list[dict[str, Any]]) -> bool:
    return any("object" not in one for one in kept)


def _values(cluster: Cluster, name: str) -> dict[str, str]:
    secret = cluster.get(SECRET, before_name(name))
    if secret is None:
        raise InputError(f"Secret {before_name(name)}, which keeps the Secrets of before, was deleted")
    values: dict[str, str] = secret["data"]
    return values


def _packed(kept: list[dict[str, Any]]) -> Object:
    """Return what is kept as a ConfigMap's data."""
    text = json.dumps(kept, indent=1)
    if len(text.encode()) <= READABLE:
        return {"data": {DATA: text}}
    return {"binaryData": {COMPRESSED: _encoded(gzip.compress(text.encode()))}}


def _unpacked(keeper: Object) -> list[dict[str, Any]]:
    text = (keeper.get("data") or {}).get(DATA)
    if text is None:
        text = gzip.decompress(base64.b64decode(keeper["binaryData"][COMPRESSED])).decode()
    kept: list[dict[str, Any]] = json.loads(text)
    return kept


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()
