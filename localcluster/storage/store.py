"""Objects in memory, their resource versions, and whoever watches them.

Everything runs in one asyncio loop: a call that does not await is atomic, so there are no locks.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from localcluster.apimachinery.errors import ApiError, already_exists, conflict, not_found
from localcluster.apimachinery.objects import Json, Object, clone, now
from localcluster.apimachinery.resources import Resource

HISTORY = 2048  # changes kept for watches that resume


@dataclass(frozen=True)
class Change:
    """One write. Its objects are the store's own: read them, never change them.

    Attributes:
        type: `ADDED`, `MODIFIED` or `DELETED`.
        resource: the kind of the object.
        object: the object after the write (before it, for `DELETED`, with the delete's resource version).
        version: the resource version of the write.
        previous: the object before the write, None when it was created.
    """

    type: str
    resource: Resource
    object: Object
    version: int
    previous: Object | None = None


def _share(new: Json, old: Json) -> Json:
    """Return `new`, its parts that equal the old one's being the old one's, so that history costs little memory."""
    if new == old and type(new) is type(old):
        return old
    if isinstance(new, dict) and isinstance(old, dict):
        return {k: _share(v, old[k]) if k in old else v for k, v in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        return [_share(v, old[i]) if i < len(old) else v for i, v in enumerate(new)]
    return new


class Store:
    """Objects by kind, namespace and name. What goes in and out is copied: nobody shares a dict with the store."""

    def __init__(self) -> None:
        self.version = 1
        self._objects: dict[Resource, dict[tuple[str, str], Object]] = {}
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self._listeners: list[Callable[[Change], None]] = []

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Return the object; raises ApiError 404."""
        try:
            found = self._objects[resource][namespace, name]
        except KeyError:
            raise not_found(resource.plural, resource.group, name) from None
        return dict(clone(found))

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return the object, or None."""
        found = self._objects.get(resource, {}).get((namespace, name))
        return clone(found) if found is not None else None

    def glance(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return the store's own object, or None, for reading only."""
        return self._objects.get(resource, {}).get((namespace, name))

    def list(self, resource: Resource, namespace: str = "") -> list[Object]:
        """Return the objects of one namespace (of all, when empty), by name."""
        objects = self._objects.get(resource, {})
        return [clone(objects[k]) for k in sorted(objects) if not namespace or k[0] == namespace]

    def peek(self, resource: Resource, namespace: str = "") -> Iterator[Object]:
        """Yield the store's own objects, by name, for reading only: who looks at many needs no copies.

        What is written or removed meanwhile does not disturb.
        """
        objects = self._objects.get(resource, {})
        return iter([objects[k] for k in sorted(objects) if not namespace or k[0] == namespace])

    def create(self, resource: Resource, obj: Object, *, dry_run: bool = False) -> Object:
        """Store a new object under its metadata's name, giving it uid, creationTimestamp and generation.

        Raises ApiError 409 AlreadyExists.
        """
        obj = clone(obj)
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if key in self._objects.setdefault(resource, {}):
            raise already_exists(resource.plural, resource.group, meta["name"])
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = now()
        if resource.generations:
            meta["generation"] = 1
        if not dry_run:
            self._write("ADDED", resource, key, obj, None)
        return dict(clone(obj))

    def current(self, resource: Resource, obj: Object) -> Object:
        """Return the store's own object that `obj` is a new version of.

        Raises ApiError 404, and 409 Conflict where metadata.resourceVersion or uid is given and is another one.
        """
        meta = obj["metadata"]
        old = self._objects.get(resource, {}).get((meta.get("namespace", ""), meta["name"]))
        if old is None:
            raise not_found(resource.plural, resource.group, meta["name"])
        if meta.get("resourceVersion") not in (None, "", old["metadata"]["resourceVersion"]):
            stale = "the object has been modified; please apply your changes to the latest version and try again"
            raise conflict(resource.plural, resource.group, meta["name"], stale)
        if meta.get("uid") not in (None, "", old["metadata"]["uid"]):
            was = old["metadata"]["uid"]
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {was}"
            raise conflict(resource.plural, resource.group, meta["name"], why)
        return old

    def update(self, resource: Resource, obj: Object, *, grow: bool | None = None, dry_run: bool = False) -> Object:
        """Replace an object. A write that changes nothing is no write: the resource version stays.

        `grow` says whether the generation counts on, None for when the spec has changed. Raises what `current` raises.
        """
        old = self.current(resource, obj)
        obj = clone(obj)
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        for owned in ("uid", "creationTimestamp", "resourceVersion", "generation"):
            meta[owned] = old["metadata"].get(owned)
        if not resource.generations:
            del meta["generation"]
        elif obj.get("spec") != old.get("spec") if grow is None else grow:
            meta["generation"] += 1
        if obj != old and not dry_run:
            # The metadata is the write's own: it gets a new resource version, and the old one is history.
            obj = {**_share(obj, old), "metadata": meta}
            self._write("MODIFIED", resource, key, obj, old)
        return dict(clone(obj))

    def remove(self, resource: Resource, namespace: str, name: str) -> Object:
        """Remove the object at once (grace and finalizers are the registry's) and return it; raises ApiError 404."""
        old = self.get(resource, namespace, name)
        del self._objects[resource][namespace, name]
        self._write("DELETED", resource, (namespace, name), old, old)
        return old

    def since(self, resource: Resource, version: int) -> Sequence[Change]:
        """Return the changes of one kind after a resource version, oldest first; raises ApiError 410 when too old."""
        oldest = self._history[0].version if self._history else self.version + 1
        forgotten = version + 1 < oldest and version < self.version and len(self._history) == HISTORY
        if forgotten or version > self.version:  # a version to come was another store's, before a restart
            raise ApiError(410, f"too old resource version: {version} ({oldest})", reason="Expired")
        return [c for c in self._history if c.version > version and c.resource == resource]

    def at(self, resource: Resource, namespace: str, version: int) -> Sequence[Object]:
        """Return the store's own objects, by name, as they were at a resource version; raises ApiError 410."""
        objects = dict(self._objects.get(resource, {}))
        for change in reversed(self.since(resource, version)):
            meta = change.object["metadata"]
            key = (meta.get("namespace", ""), meta["name"])
            objects.pop(key, None)
            if change.previous is not None:
                objects[key] = change.previous
        return [objects[k] for k in sorted(objects) if not namespace or k[0] == namespace]

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` after every write; returns what ends that."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    @contextlib.contextmanager
    def queue(self) -> Iterator[asyncio.Queue[Change]]:
        """Give a queue into which every later change goes."""
        changes: asyncio.Queue[Change] = asyncio.Queue()
        stop = self.listen(changes.put_nowait)
        try:
            yield changes
        finally:
            stop()

    def _write(self, kind: str, resource: Resource, key: tuple[str, str], obj: Object, old: Object | None) -> None:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        if kind != "DELETED":
            self._objects[resource][key] = obj
        change = Change(kind, resource, obj, self.version, old)
        self._history.append(change)
        for listener in list(self._listeners):
            listener(change)
