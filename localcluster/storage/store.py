"""The store: objects in memory, their resource versions and their history.

Everything runs in one asyncio loop. Calls that do not await are atomic, so there are no locks.
"""

import asyncio
import contextlib
import itertools
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from localcluster.apimachinery.errors import ApiError, already_exists, conflict, not_found
from localcluster.apimachinery.objects import Json, Object, clone, now
from localcluster.apimachinery.resources import Resource

HISTORY = 2048  # changes that are kept, so that watches can resume


@dataclass(frozen=True)
class Change:
    """One write. Do not change its objects: they are the store's.

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
    """Return `new` with its unchanged parts taken from `old`, so that the history needs little memory."""
    if new == old and type(new) is type(old):
        return old
    if isinstance(new, dict) and isinstance(old, dict):
        return {k: _share(v, old[k]) if k in old else v for k, v in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        return [_share(v, old[i]) if i < len(old) else v for i, v in enumerate(new)]
    return new


class Store:
    """Objects by kind, namespace and name. They are copied on the way in and out, except by `peek` and `peek_all`."""

    def __init__(self, history: int = HISTORY) -> None:
        """`history` is the number of changes to keep."""
        self.version = 1
        self._objects: dict[Resource, dict[tuple[str, str], Object]] = {}
        self._history: deque[Change] = deque(maxlen=history)
        self._listeners: list[Callable[[Change], None]] = []

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Return the object; raises ApiError 404."""
        try:
            found = self._objects[resource][namespace, name]
        except KeyError:
            raise not_found(resource, name) from None
        return dict(clone(found))

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return the object, or None."""
        found = self._objects.get(resource, {}).get((namespace, name))
        return clone(found) if found is not None else None

    def peek(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return the store's own object, or None. Do not change it."""
        return self._objects.get(resource, {}).get((namespace, name))

    def list(self, resource: Resource, namespace: str = "") -> list[Object]:
        """Return the objects of a namespace (of all namespaces if empty), by name."""
        objects = self._objects.get(resource, {})
        return [clone(objects[k]) for k in sorted(objects) if not namespace or k[0] == namespace]

    def peek_all(self, resource: Resource, namespace: str = "") -> Iterator[Object]:
        """Yield the store's own objects, by name, without the cost of copies. Do not change them.

        Writes during the iteration are allowed.
        """
        objects = self._objects.get(resource, {})
        return iter([objects[k] for k in sorted(objects) if not namespace or k[0] == namespace])

    def create(self, resource: Resource, obj: Object, *, dry_run: bool = False) -> Object:
        """Store a new object, and give it uid, creationTimestamp and generation.

        Raises ApiError 409 AlreadyExists.
        """
        obj = clone(obj)
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if key in self._objects.setdefault(resource, {}):
            raise already_exists(resource, meta["name"])
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = now()
        if resource.generations:
            meta["generation"] = 1
        if not dry_run:
            self._write("ADDED", resource, key, obj, None)
        return dict(clone(obj))

    def current(self, resource: Resource, obj: Object) -> Object:
        """Return the store's own object that `obj` will replace.

        Raises ApiError 404, and 409 Conflict if metadata.resourceVersion or uid are set and differ.
        """
        meta = obj["metadata"]
        old = self._objects.get(resource, {}).get((meta.get("namespace", ""), meta["name"]))
        if old is None:
            raise not_found(resource, meta["name"])
        if meta.get("resourceVersion") not in (None, "", old["metadata"]["resourceVersion"]):
            stale = "the object has been modified; please apply your changes to the latest version and try again"
            raise conflict(resource, meta["name"], stale)
        if meta.get("uid") not in (None, "", old["metadata"]["uid"]):
            was = old["metadata"]["uid"]
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {was}"
            raise conflict(resource, meta["name"], why)
        return old

    def update(
        self, resource: Resource, obj: Object, *, new_generation: bool | None = None, dry_run: bool = False
    ) -> Object:
        """Replace an object. If nothing changes, the resource version stays the same.

        `new_generation`: whether the generation increases; None: if the spec has changed. Raises what `current` does.
        """
        old = self.current(resource, obj)
        obj = clone(obj)
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        for owned in ("uid", "creationTimestamp", "resourceVersion", "generation"):
            meta[owned] = old["metadata"].get(owned)
        if not resource.generations:
            del meta["generation"]
        elif obj.get("spec") != old.get("spec") if new_generation is None else new_generation:
            meta["generation"] += 1
        if obj != old and not dry_run:
            # The metadata is never shared: it gets a new resource version.
            obj = {**_share(obj, old), "metadata": meta}
            self._write("MODIFIED", resource, key, obj, old)
        return dict(clone(obj))

    def remove(self, resource: Resource, namespace: str, name: str) -> Object:
        """Remove an object at once and return it; raises ApiError 404. The registry handles grace and finalizers."""
        old = self.get(resource, namespace, name)
        del self._objects[resource][namespace, name]
        self._write("DELETED", resource, (namespace, name), old, old)
        return old

    def since(self, resource: Resource, version: int) -> Sequence[Change]:
        """Return the changes of one kind after a resource version, oldest first; raises ApiError 410 if too old."""
        oldest = self._history[0].version if self._history else self.version + 1
        forgotten = version + 1 < oldest and version < self.version and len(self._history) == self._history.maxlen
        if forgotten or version > self.version:  # a future version is from before a restart
            raise ApiError(410, f"too old resource version: {version} ({oldest})", reason="Expired")
        later = itertools.takewhile(lambda change: change.version > version, reversed(self._history))
        return [change for change in later if change.resource == resource][::-1]

    def at(self, resource: Resource, namespace: str, version: int) -> Sequence[Object]:
        """Return the store's own objects, by name, at a resource version; raises ApiError 410."""
        objects = dict(self._objects.get(resource, {}))
        for change in reversed(self.since(resource, version)):
            meta = change.object["metadata"]
            key = (meta.get("namespace", ""), meta["name"])
            objects.pop(key, None)
            if change.previous is not None:
                objects[key] = change.previous
        return [objects[k] for k in sorted(objects) if not namespace or k[0] == namespace]

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` after every write; returns a function that stops this."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    @contextlib.contextmanager
    def queue(self) -> Iterator[asyncio.Queue[Change]]:
        """Provide a queue of all later changes."""
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
