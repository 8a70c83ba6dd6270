"""What all controllers share: a queue of objects to look at, owners and selectors."""

from __future__ import annotations

import asyncio
import logging
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
SOON = 0.005  # seconds of a look that need no rest
REST = 5.0  # times as long as a look took, an object is left alone
Key = tuple[str, str]  # namespace and name

log = logging.getLogger(__name__)


class Controller:
    """Brings what is nearer to what is wanted, one object at a time, whenever something that concerns it changes.

    `sync` does not await, so that no write of anybody else comes in between. An object that takes long is looked at
    less often: what changes meanwhile is seen at the next look, all at once.
    """

    def __init__(self, registry: Registry, recorder: Recorder) -> None:
        self.registry = registry
        self.store = registry.store
        self.recorder = recorder
        self._due: dict[Key, None] = {}
        self._later: dict[Key, asyncio.TimerHandle] = {}
        self._resting: dict[Key, asyncio.TimerHandle] = {}
        self._missed: set[Key] = set()  # of those that rest, the ones to look at again
        self._wake = asyncio.Event()

    def concerns(self, change: Change) -> Iterable[Key]:
        """Return the keys of the objects to look at after a change."""
        raise NotImplementedError

    def sync(self, key: Key) -> float | None:
        """Look at one object; returns the seconds after which to look again, None for when something changes."""
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
                    await asyncio.sleep(0)  # the listeners and the API have their turn
        finally:
            stop()
            for timer in [*self._later.values(), *self._resting.values()]:
                timer.cancel()

    def look_at(self, key: Key) -> None:
        """Put an object into the queue."""
        if key in self._resting:
            self._missed.add(key)
            return
        self._due[key] = None
        self._wake.set()

    def _rest(self, key: Key, spent: float) -> None:
        """Leave an object alone for a multiple of the seconds that a look at it took."""
        if spent > SOON:
            self._resting[key] = asyncio.get_running_loop().call_later(REST * spent, self._rested, key)
            if key in self._due:  # by what the look itself has changed
                del self._due[key]
                self._missed.add(key)

    def _rested(self, key: Key) -> None:
        del self._resting[key]
        if key in self._missed:
            self._missed.remove(key)
            self.look_at(key)

    def _note(self, change: Change) -> None:
        for key in self.concerns(change):
            self.look_at(key)

    def _try(self, key: Key) -> None:
        try:
            again = self.sync(key)
        except ApiError as error:
            log.info("%s %s: %s; trying again", type(self).__name__, "/".join(key), error.message)
            again = 1.0
        except Exception:  # one object that the controller cannot digest must not stop it for all others
            log.exception("%s %s", type(self).__name__, "/".join(key))
            again = 10.0
        timer = self._later.pop(key, None)
        if timer is not None:
            timer.cancel()
        if again is not None:
            self._later[key] = asyncio.get_running_loop().call_later(again, self.look_at, key)


def key_of(obj: Object) -> Key:
    """Return an object's namespace and name."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def controller_of(obj: Object) -> dict[str, Any] | None:
    """Return the owner reference of the object's controller."""
    owners = obj["metadata"].get("ownerReferences", [])
    return next((owner for owner in owners if owner.get("controller")), None)


def owner_reference(owner: Object) -> dict[str, Any]:
    """Return the reference by which a controller marks what it made."""
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

    They are the store's own: read them, never change them. An object without a controller that the owner's selector
    matches is adopted; one that it does not match any more is released.
    """
    mine = []
    selector, uid = owner["spec"]["selector"], owner["metadata"]["uid"]
    for obj in controller.store.peek(resource, owner["metadata"]["namespace"]):
        meta, ref, matching = (
            obj["metadata"],
            controller_of(obj),
            matches(selector, obj["metadata"].get("labels") or {}),
        )
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
    """Take one owner from an object, in place."""
    left = [owner for owner in obj["metadata"].pop("ownerReferences") if owner["uid"] != uid]
    if left:
        obj["metadata"]["ownerReferences"] = left


def is_over(pod: Object) -> bool:
    """Return whether all of a pod's containers have ended for good."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def resolve(value: int | str | None, total: int, *, up: bool) -> int:
    """Return what a number or a percentage (`25%`) of total comes to."""
    if value is None or isinstance(value, int):
        return value or 0
    percent = re.fullmatch(r"(\d+)%", value)
    if percent is None:
        raise ApiError(422, f"{value!r} is neither a number nor a percentage")
    share = total * int(percent.group(1))
    return -(-share // 100) if up else share // 100
