"""Every write of an object goes through here, whoever asks: defaults, validation, field ownership, deletion.

The API and the controllers call the same methods, as in Kubernetes, where controllers are clients like any other.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from localcluster.resources import NAMESPACE, POD, RESOURCES
from localcluster.status import ApiError, conflict, not_found
from localcluster.store import Object, Store, clone, now

if TYPE_CHECKING:
    from localcluster.resources import Resource

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # Kubernetes' own: no vowels, so that generated names spell nothing


class Registry:
    """Writes objects into a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(self, resource: Resource, obj: Object, *, manager: str, dry_run: bool = False) -> Object:
        """Create an object (metadata.generateName is honoured) and return it as stored."""
        obj = clone(obj)
        meta = obj.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + "".join(secrets.choice(ALPHABET) for _ in range(5))
        if resource.namespaced:
            self._check_namespace(meta["namespace"], meta["name"])
        return self.store.create(resource, obj, dry_run=dry_run)

    def update(
        self, resource: Resource, obj: Object, *, manager: str, subresource: str = "", dry_run: bool = False
    ) -> Object:
        """Replace an object; with subresource `status` its status only, without it all but its status."""
        new = clone(obj)
        meta = new["metadata"]
        old = self.store.get(resource, meta.get("namespace", ""), meta["name"])
        if meta.get("resourceVersion") not in (None, "", old["metadata"]["resourceVersion"]):
            stale = "the object has been modified; please apply your changes to the latest version and try again"
            raise conflict(resource.plural, resource.group, meta["name"], stale)
        if subresource == "status":
            new = {**old, "status": new.get("status", {})}
        elif "status" in resource.subresources and "status" in old:
            new["status"] = old["status"]
        for kept in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            new["metadata"].pop(kept, None)
            if kept in old["metadata"]:
                new["metadata"][kept] = old["metadata"][kept]
        stored = self.store.update(resource, new, dry_run=dry_run)
        ended = "deletionTimestamp" in stored["metadata"] and not stored["metadata"].get("finalizers")
        if ended and resource not in (POD, NAMESPACE) and not dry_run:
            self.store.remove(resource, meta.get("namespace", ""), meta["name"])
        return stored

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        grace: int | None = None,
        propagation: str = "Background",
        dry_run: bool = False,
    ) -> Object:
        """Delete an object and return it.

        A pod that runs is only marked (deletionTimestamp, deletionGracePeriodSeconds): the kubelet ends its processes
        and then calls `store.remove`. A namespace too is only marked, until the controller has emptied it, and so is an
        object with finalizers; it goes with the update that takes the last one away. `Foreground` adds the finalizer
        `foregroundDeletion`, which the garbage collector takes away when the dependents are gone; `Orphan` drops
        the owner from its dependents.
        """
        obj = self.store.get(resource, namespace, name)
        if propagation == "Orphan" and not dry_run:
            self._orphan(obj["metadata"]["uid"])
        return self._mark_or_remove(resource, obj, grace, propagation, dry_run=dry_run)

    def _mark_or_remove(
        self, resource: Resource, obj: Object, grace: int | None, propagation: str, *, dry_run: bool
    ) -> Object:
        meta = obj["metadata"]
        if propagation == "Foreground" and "foregroundDeletion" not in meta.get("finalizers", []):
            meta["finalizers"] = [*meta.get("finalizers", []), "foregroundDeletion"]
        seconds = 0
        if resource == POD and obj.get("spec", {}).get("nodeName"):
            ended = obj.get("status", {}).get("phase") in ("Succeeded", "Failed")
            seconds = 0 if ended else obj["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace
        if not seconds and not meta.get("finalizers") and resource != NAMESPACE:
            return obj if dry_run else self.store.remove(resource, meta.get("namespace", ""), meta["name"])
        if "deletionTimestamp" not in meta or seconds < meta.get("deletionGracePeriodSeconds", 0):
            meta["deletionTimestamp"] = now()
            meta["deletionGracePeriodSeconds"] = seconds
            if resource == NAMESPACE:
                obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
        return self.store.update(resource, obj, dry_run=dry_run)

    def _orphan(self, uid: str) -> None:
        for resource in RESOURCES:
            for dependent in self.store.list(resource):
                owners = dependent["metadata"].get("ownerReferences", [])
                if any(owner["uid"] == uid for owner in owners):
                    dependent["metadata"]["ownerReferences"] = [owner for owner in owners if owner["uid"] != uid]
                    self.store.update(resource, dependent)

    def _check_namespace(self, namespace: str, name: str) -> None:
        found = self.store.find(NAMESPACE, "", namespace)
        if found is None:
            raise not_found("namespaces", "", namespace)
        if "deletionTimestamp" in found["metadata"]:
            message = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise ApiError(403, f'"{name}" is forbidden: {message}')


__all__ = ["Object", "Registry", "now"]
