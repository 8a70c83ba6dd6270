"""What all controllers share: a work queue, owner references and adoption by selector."""

import asyncio
import logging
import math
import re
import time
from collections.abc import Iterable
from typing import Any

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.objects import Object, clone
from localcluster.apimachinery.resources import POD, Resource
from localcluster.apimachinery.selectors import matches
from localcluster.storage.events import Recorder
from localcluster.storage.registry import Registry
from localcluster.storage.store import Change

MANAGER = "kube-controller-manager"
SHORT = 0.005  # seconds; a sync that takes longer is followed by a rest
REST = 5.0  # length of the rest, as a multiple of what the sync took
Key = tuple[str, str]  # namespace and name

log = logging.getLogger(__name__)


class Controller:
    """Makes the cluster match what objects ask for, one object at a time, whenever something relevant changes.

    `sync` does not await, so no other write can come in between. An object whose sync takes long is synced less
    often: one later sync then handles all changes that came in the meantime.
    """

    def __init__(self, registry: Registry, recorder: Recorder) -> None:
        self.registry = registry
        self.store = registry.store
        self.recorder = recorder
        self._due: dict[Key, None] = {}
        self._later: dict[Key, asyncio.TimerHandle] = {}
        self._resting: dict[Key, asyncio.TimerHandle] = {}
        self._missed: set[Key] = set()  # resting objects that have changed
        self._wake = asyncio.Event()

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Return the keys of the objects to sync after a change."""
        raise NotImplementedError

    def sync(self, key: Key) -> float | None:
        """Sync one object; returns the seconds until the next sync, or None to wait for a change."""
        raise NotImplementedError

    async def run(self) -> None:
        """Work until cancelled."""
        stop = self.store.listen(self._note)
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._due:
                    key = next(iter(self._due))
                    del self._due[key]
                    started = time.perf_counter()
                    self._try(key)
                    self._rest(key, time.perf_counter() - started)
                    await asyncio.sleep(0)  # let the API and the other controllers work
        finally:
            stop()
            for timer in [*self._later.values(), *self._resting.values()]:
                timer.cancel()

    def keys_of_owners(self, change: Change, kind: Resource, dependents: Resource) -> list[Key]:
        """Return the changed object of a kind, the owner of a changed dependent, or those that can adopt it."""
        if change.resource == kind:
            return [key_of(change.object)]
        if change.resource != dependents:
            return []
        meta, owner = change.object["metadata"], controller_of(change.object)
        if owner is not None:
            return [(meta["namespace"], owner["name"])] if owner["kind"] == kind.kind else []
        labels = meta.get("labels") or {}
        return [
            key_of(o) for o in self.store.peek_all(kind, meta["namespace"]) if matches(o["spec"]["selector"], labels)
        ]

    @property
    def has_work(self) -> bool:
        """Whether an object waits to be synced now."""
        return bool(self._due)

    @property
    def next_sync(self) -> float:
        """When the next object is to be synced, by the clock of the event loop; infinite if none is."""
        if self._due or self._missed:
            return 0.0
        return min((timer.when() for timer in self._later.values()), default=math.inf)

    def enqueue(self, key: Key) -> None:
        """Put an object into the work queue."""
        if key in self._resting:
            self._missed.add(key)
            return
        self._due[key] = None
        self._wake.set()

    def _rest(self, key: Key, spent: float) -> None:
        """Let an object rest for a multiple of the seconds that its sync took."""
        if spent > SHORT:
            self._resting[key] = asyncio.get_running_loop().call_later(REST * spent, self._rested, key)
            if key in self._due:  # because of what the sync itself has changed
                del self._due[key]
                self._missed.add(key)

    def _rested(self, key: Key) -> None:
        del self._resting[key]
        if key in self._missed:
            self._missed.remove(key)
            self.enqueue(key)

    def _note(self, change: Change) -> None:
        for key in self.keys_for(change):
            self.enqueue(key)

    def _try(self, key: Key) -> None:
        try:
            again = self.sync(key)
        except ApiError as error:
            log.info("%s %s: %s; trying again", type(self).__name__, "/".join(key), error.message)
            again = 1.0
        except Exception:  # one broken object must not stop the controller for all others
            log.exception("%s %s", type(self).__name__, "/".join(key))
            again = 10.0
        timer = self._later.pop(key, None)
        if timer is not None:
            timer.cancel()
        if again is not None:
            self._later[key] = asyncio.get_running_loop().call_later(again, self.enqueue, key)


def key_of(obj: Object) -> Key:
    """Return an object's namespace and name."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def controller_of(obj: Object) -> dict[str, Any] | None:
    """Return the owner reference of the object's controller."""
    owners = obj["metadata"].get("ownerReferences", [])
    return next((owner for owner in owners if owner.get("controller")), None)


def owner_reference(owner: Object) -> dict[str, Any]:
    """Return the owner reference for an object that a controller creates."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owned(controller: Controller, owner: Object, resource: Resource) -> list[Object]:
    """Return the objects that an owner controls, after adopting and releasing as Kubernetes does.

    Do not change them: they are the store's. An object that matches the owner's selector and has no controller is
    adopted. An object that no longer matches is released.
    """
    mine = []
    selector, uid = owner["spec"]["selector"], owner["metadata"]["uid"]
    for obj in controller.store.peek_all(resource, owner["metadata"]["namespace"]):
        meta, ref = obj["metadata"], controller_of(obj)
        matching = matches(selector, meta.get("labels") or {})
        if ref is not None and ref["uid"] == uid and matching:
            mine.append(obj)
        elif ref is not None and ref["uid"] == uid and "deletionTimestamp" not in owner["metadata"]:
            released = clone(obj)
            drop_owner(released, uid)
            controller.registry.update(resource, released, manager=MANAGER)
        elif ref is None and matching and not (resource == POD and is_over(obj)):
            if "deletionTimestamp" in meta | owner["metadata"]:
                continue
            owners = [*meta.get("ownerReferences", []), owner_reference(owner)]
            adopted = {**obj, "metadata": {**meta, "ownerReferences": owners}}
            mine.append(controller.registry.update(resource, adopted, manager=MANAGER))
    return mine


def drop_owner(obj: Object, uid: str) -> None:
    """Remove one owner from an object, in place."""
    left = [owner for owner in obj["metadata"].pop("ownerReferences") if owner["uid"] != uid]
    if left:
        obj["metadata"]["ownerReferences"] = left


def is_over(pod: Object) -> bool:
    """Return whether all containers of a pod have terminated and will not be restarted."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def scaled_value(value: int | str | None, total: int, *, up: bool) -> int:
    """Return a number, or a percentage (`25%`) of the total as a number."""
    if value is None or isinstance(value, int):
        return value or 0
    percent = re.fullmatch(r"(\d+)%", value)
    if percent is None:
        raise ApiError(422, f"{value!r} is neither a number nor a percentage")
    share = total * int(percent.group(1))
    return -(-share // 100) if up else share // 100
