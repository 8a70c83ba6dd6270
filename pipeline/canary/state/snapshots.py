"""Saves objects as they are now in the cluster itself, so that any driver can restore them later.

A ConfigMap holds them. The values of Secrets are in a Secret of the same name, which the ConfigMap owns. It is created
only where there are any, so that other releases need no permissions on Secrets.
"""

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
"""Bytes up to which the objects stay readable; larger ones are compressed."""

LARGEST = 1024 * 1024
"""Most bytes of data that a ConfigMap or a Secret can hold."""


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
    """The objects do not fit into a ConfigMap; nothing was saved."""


def take_snapshots(
    cluster: Cluster,
    name: str,
    objects: Iterable[tuple[Kind, str]],
    marks: Mapping[str, str],
    *,
    owner: Object | None = None,
) -> None:
    """Save objects as they are now.

    Args:
        cluster: the Kubernetes API.
        name: of the ConfigMap, which must not exist yet, and of its Secret.
        objects: kind and name of each, in the order in which they are restored.
        marks: annotations of the ConfigMap.
        owner: an object with which the ConfigMap is deleted.

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
            raise TooLargeError(f"{size / LARGEST:.1f} MiB, more than the 1 MiB that a ConfigMap or a Secret can hold")
    create_config_map(cluster, name, marks, packed, owner=owner, values=values)


def create_config_map(
    cluster: Cluster,
    name: str,
    marks: Mapping[str, str],
    content: Object,
    *,
    owner: Object | None = None,
    values: Mapping[str, str] | None = None,
) -> None:
    """Create the ConfigMap, then its Secret if there are values for one."""
    metadata: Object = {"name": name, "annotations": dict(marks)}
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
                "metadata": {"name": name, "ownerReferences": [owner_reference(made)]},
                "type": "Opaque",
                "data": dict(values),
            }
        )


def read_snapshots(cluster: Cluster, config_map: Object) -> tuple[Snapshot, ...]:
    """Return the objects that a ConfigMap and its Secret hold.

    Raises:
        InputError: the Secret was deleted.
    """
    found = _unpacked(config_map)
    values = _values(cluster, config_map["metadata"]["name"]) if _has_secrets(found) else {}
    return tuple(
        Snapshot(
            Kind(one["apiVersion"], one["kind"]),
            one["name"],
            one["object"] if "object" in one else json.loads(base64.b64decode(values[one["name"]])),
        )
        for one in found
    )


def read_object(config_map: Object, kind: Kind, name: str) -> Object | None:
    """Return one object that a ConfigMap holds, other than a Secret; None if it did not exist."""
    found = (one for one in _unpacked(config_map) if (one["apiVersion"], one["kind"], one["name"]) == (*kind, name))
    return next((one.get("object") for one in found), None)


def is_complete(cluster: Cluster, config_map: Object) -> bool:
    """Return whether the Secret of a ConfigMap exists too. Without it, nothing was overwritten yet."""
    if not _has_secrets(_unpacked(config_map)):
        return True
    secret = cluster.get(SECRET, config_map["metadata"]["name"])
    return secret is not None and config_map["metadata"]["uid"] in owner_uids(secret)


def delete_snapshots(cluster: Cluster, config_map: Object) -> None:
    """Delete the saved objects.

    The ConfigMap is first: without it nothing counts as saved, and its Secret is deleted with it in any case.
    """
    name = config_map["metadata"]["name"]
    cluster.delete(CONFIG_MAP, name, uid=config_map["metadata"]["uid"])
    if _has_secrets(_unpacked(config_map)):
        cluster.delete(SECRET, name)


def _has_secrets(found: list[dict[str, Any]]) -> bool:
    return any("object" not in one for one in found)


def _values(cluster: Cluster, name: str) -> dict[str, str]:
    secret = cluster.get(SECRET, name)
    if secret is None:
        raise InputError(
            f"Secret {name}, which holds the Secrets as they were before, was deleted: restore it from a backup"
        )
    values: dict[str, str] = secret["data"]
    return values


def _packed(found: list[dict[str, Any]]) -> Object:
    """Return the objects as a ConfigMap's data."""
    text = json.dumps(found, indent=1)
    if len(text.encode()) <= READABLE:
        return {"data": {DATA: text}}
    return {"binaryData": {COMPRESSED: _encoded(gzip.compress(text.encode()))}}


def _size(content: Object) -> int:
    """Return how many bytes of a ConfigMap's or a Secret's data count against its limit."""
    plain = sum(len(text.encode()) for text in (content.get("data") or {}).values())
    return plain + sum(len(base64.b64decode(text)) for text in (content.get("binaryData") or {}).values())


def _unpacked(config_map: Object) -> list[dict[str, Any]]:
    """Return what a ConfigMap holds: nothing where it did not fit."""
    packed = (config_map.get("binaryData") or {}).get(COMPRESSED)
    text = (
        gzip.decompress(base64.b64decode(packed)).decode() if packed else (config_map.get("data") or {}).get(DATA, "[]")
    )
    found: list[dict[str, Any]] = json.loads(text)
    return found


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()
