"""The garbage collector: deletes objects whose owners are gone, and old Events."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.resources import EVENT, RESOURCES, Resource
from localcluster.controllers.controller import MANAGER, Controller, Key, key_of
from localcluster.storage.store import Change

EVENTS_LAST = timedelta(hours=1)  # as in Kubernetes
KINDS = {(r.api_version, r.kind): r for r in RESOURCES}


class GarbageCollector(Controller):
    """Deletes objects whose owners are all gone, and completes foreground deletions. It has one key for everything."""

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Return the one key if an object was deleted, is being deleted, or has owners to check."""
        meta = change.object["metadata"]
        fresh = change.type == "ADDED" and meta.get("ownerReferences")
        going = change.type == "DELETED" or "foregroundDeletion" in meta.get("finalizers", [])
        moved = change.previous and meta.get("ownerReferences") != change.previous["metadata"].get("ownerReferences")
        return [("", "all")] if change.resource != EVENT and (fresh or going or moved) else []

    def sync(self, key: Key) -> float | None:  # noqa: ARG002 - there is only one
        """Delete dependents whose owners are gone, and owners in foreground deletion whose dependents are gone."""
        self._forget_old_events()
        everything = [(r, obj) for r in RESOURCES if r != EVENT for obj in self.store.peek_all(r)]
        alive = {obj["metadata"]["uid"]: obj for _, obj in everything}
        blocked: set[str] = set()
        for resource, obj in everything:
            owners = obj["metadata"].get("ownerReferences") or []
            absent = [o for o in owners if not _is_alive(o, alive, obj["metadata"].get("namespace", ""))]
            going = [o for o in owners if o not in absent and _in_foreground(alive[o["uid"]])]
            blocked |= {o["uid"] for o in going if o.get("blockOwnerDeletion")}
            if owners and len(absent) + len(going) == len(owners) and "deletionTimestamp" not in obj["metadata"]:
                self.registry.delete(resource, *key_of(obj), propagation="Foreground" if going else "Background")
            elif absent and len(absent) < len(owners):
                left = {**obj["metadata"], "ownerReferences": [o for o in owners if o not in absent]}
                self.registry.update(resource, {**obj, "metadata": left}, manager=MANAGER)
        for resource, obj in everything:
            if _in_foreground(obj) and obj["metadata"]["uid"] not in blocked:
                self._let_go(resource, obj)
        return 60.0

    def _let_go(self, resource: Resource, obj: Object) -> None:
        current = self.store.find(resource, *key_of(obj))
        if current is not None and _in_foreground(current):
            meta = current["metadata"]
            meta["finalizers"] = [f for f in meta["finalizers"] if f != "foregroundDeletion"]
            self.registry.update(resource, current, manager=MANAGER)

    def _forget_old_events(self) -> None:
        limit = (datetime.now(UTC) - EVENTS_LAST).strftime("%Y-%m-%dT%H:%M:%SZ")
        for event in self.store.peek_all(EVENT):
            if (event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]) < limit:
                self.store.remove(EVENT, *key_of(event))


def _is_alive(owner: dict[str, Any], alive: dict[str, Object], namespace: str) -> bool:
    """Return whether an owner exists: the same uid and name, in the same namespace or cluster-wide."""
    found = alive.get(owner["uid"])
    if found is None or found["metadata"]["name"] != owner["name"]:
        # The owner is of a kind that is not served and cannot be found. Kubernetes keeps its dependents too.
        return (owner["apiVersion"], owner["kind"]) not in KINDS
    return bool(found["metadata"].get("namespace", namespace) == namespace)


def _in_foreground(obj: Object) -> bool:
    meta = obj["metadata"]
    return "deletionTimestamp" in meta and "foregroundDeletion" in meta.get("finalizers", [])
