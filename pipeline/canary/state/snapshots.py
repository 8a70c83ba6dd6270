"""Keeps objects as they are now in the cluster itself, so that they can be put back later, by whichever driver.

A ConfigMap holds them. Values of Secrets do not belong there: a Secret of the same name, which the ConfigMap owns,
holds those. It is made only where there are any, so that others need no rights on Secrets.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from canary.errors import InputError
from canary.objects import CONFIG_MAP, SECRET, Kind, Object, owner_reference, owner_uids
from canary.ports import Cluster

DATA = "objects.json"
COMPRESSED = "objects.json.gz"
READABLE = 768 * 1024
"""Bytes up to which a person can read what is kept; more is compressed."""

LARGEST = 1024 * 1024
"""Bytes of data that a ConfigMap or a Secret takes."""


@dataclass(frozen=True)
class Snapshot:
    """One object as it was.

    Attributes:
        kind: of the object.
        name: of the object.
        object: as the API server had it, None if there was none.
    """

    kind: Kind
    name: str
    object: Object | None


class TooLargeError(InputError):
    """There is more to keep than a ConfigMap takes; nothing was kept."""


def take_snapshots(
    cluster: Cluster,
    keeper: str,
    objects: Iterable[tuple[Kind, str]],
    marks: Mapping[str, str],
    *,
    owner: Object | None = None,
) -> None:
    """Keep objects as they are now.

    Args:
        cluster: the Kubernetes API.
        keeper: name of the ConfigMap, which is not there yet, and of its Secret.
        objects: which, in the order in which they are to be put back.
        marks: annotations of the ConfigMap.
        owner: an object with which the ConfigMap goes.

    Raises:
        TooLargeError: they do not fit.
    """
    found = list(objects)
    live = {one: cluster.get(*one) for one in found}
    secrets = {one[1]: obj for one, obj in live.items() if one[0] == SECRET and obj is not None}
    kept = [
        {"apiVersion": kind.api_version, "kind": kind.kind, "name": own}
        | ({} if kind == SECRET and own in secrets else {"object": live[kind, own]})
        for kind, own in found
    ]
    values = {own: _encoded(json.dumps(obj).encode()) for own, obj in secrets.items()}
    packed = _packed(kept)
    for content in (packed, {"data": values}):
        size = _size(content)
        if size > LARGEST:
            raise TooLargeError(f"{size / LARGEST:.1f} MiB, more than the 1 MiB that a ConfigMap or a Secret takes")
    create_config_map(cluster, keeper, marks, packed, owner=owner, values=values)


def create_config_map(
    cluster: Cluster,
    keeper: str,
    marks: Mapping[str, str],
    content: Object,
    *,
    owner: Object | None = None,
    values: Mapping[str, str] | None = None,
) -> None:
    """Make the ConfigMap, then the Secret that belongs to it, if there are values for one."""
    metadata: Object = {"name": keeper, "annotations": dict(marks)}
    if owner is not None:
        metadata["ownerReferences"] = [owner_reference(owner)]
    made = cluster.create(
        {"apiVersion": CONFIG_MAP.api_version, "kind": CONFIG_MAP.kind, "metadata": metadata, **content}
    )
    if values:
        cluster.create(
            {
                "apiVersion": SECRET.api_version,
                "kind": SECRET.kind,
                "metadata": {"name": keeper, "ownerReferences": [owner_reference(made)]},
                "type": "Opaque",
                "data": dict(values),
            }
        )


def read_snapshots(cluster: Cluster, keeper: Object) -> tuple[Snapshot, ...]:
    """Return what a ConfigMap and its Secret keep.

    Raises:
        InputError: the Secret was deleted.
    """
    found = _unpacked(keeper)
    values = _values(cluster, keeper["metadata"]["name"]) if _has_secrets(found) else {}
    return tuple(
        Snapshot(
            Kind(one["apiVersion"], one["kind"]),
            one["name"],
            one["object"] if "object" in one else json.loads(base64.b64decode(values[one["name"]])),
        )
        for one in found
    )


def read_object(keeper: Object, kind: Kind, name: str) -> Object | None:
    """Return one object that a ConfigMap keeps, which is no Secret; None if it was not there."""
    found = (one for one in _unpacked(keeper) if (one["apiVersion"], one["kind"], one["name"]) == (*kind, name))
    return next((one.get("object") for one in found), None)


def is_complete(cluster: Cluster, keeper: Object) -> bool:
    """Return whether the Secret that belongs to a ConfigMap was made, too: who was stopped before wrote nothing yet."""
    if not _has_secrets(_unpacked(keeper)):
        return True
    secret = cluster.get(SECRET, keeper["metadata"]["name"])
    return secret is not None and keeper["metadata"]["uid"] in owner_uids(secret)


def delete_snapshots(cluster: Cluster, keeper: Object) -> None:
    """Delete what is kept.

    The ConfigMap goes first: without it nothing counts as kept, and its Secret goes with it, whoever is stopped here.
    """
    name = keeper["metadata"]["name"]
    cluster.delete(CONFIG_MAP, name, uid=keeper["metadata"]["uid"])
    if _has_secrets(_unpacked(keeper)):
        cluster.delete(SECRET, name)


def _has_secrets(found: list[dict[str, Any]]) -> bool:
    return any("object" not in one for one in found)


def _values(cluster: Cluster, name: str) -> dict[str, str]:
    secret = cluster.get(SECRET, name)
    if secret is None:
        raise InputError(f"Secret {name}, which keeps the Secrets of before, was deleted")
    values: dict[str, str] = secret["data"]
    return values


def _packed(found: list[dict[str, Any]]) -> Object:
    """Return what is kept as a ConfigMap's data."""
    text = json.dumps(found, indent=1)
    if len(text.encode()) <= READABLE:
        return {"data": {DATA: text}}
    return {"binaryData": {COMPRESSED: _encoded(gzip.compress(text.encode()))}}


def _size(content: Object) -> int:
    """Return how many bytes of a ConfigMap's or a Secret's data count against its limit."""
    plain = sum(len(text.encode()) for text in (content.get("data") or {}).values())
    return plain + sum(len(base64.b64decode(text)) for text in (content.get("binaryData") or {}).values())


def _unpacked(keeper: Object) -> list[dict[str, Any]]:
    """Return what a ConfigMap keeps: nothing where it did not fit."""
    packed = (keeper.get("binaryData") or {}).get(COMPRESSED)
    text = gzip.decompress(base64.b64decode(packed)).decode() if packed else (keeper.get("data") or {}).get(DATA, "[]")
    found: list[dict[str, Any]] = json.loads(text)
    return found


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()
