"""The cost of a change does not grow with the number of pods."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from localcluster.apimachinery import objects
from localcluster.apimachinery.resources import NAMESPACE, NODE, POD, REPLICA_SET, SERVICE
from localcluster.controllers.controller import Controller, Key, key_of
from localcluster.controllers.endpointslices import EndpointSlices
from localcluster.controllers.garbage_collector import GarbageCollector
from localcluster.controllers.replicasets import ReplicaSets
from localcluster.controllers.scheduler import Scheduler
from localcluster.kubelet.node import node
from localcluster.storage import store as store_module
from localcluster.storage.events import Recorder
from localcluster.storage.registry import Registry
from localcluster.storage.store import Change, Store
from tests.localcluster.objects import deployment, service

PODS = 60


@pytest.fixture
def registry() -> Registry:
    """Provide a registry with a ReplicaSet, its pods and their Service."""
    registry = Registry(Store())
    registry.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}, manager="t")
    registry.create(NODE, node("127.0.0.1"), manager="t")
    made = deployment(replicas=PODS)
    spec = {key: made["spec"][key] for key in ("replicas", "selector", "template")}
    sets = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web", "namespace": "default"}}
    registry.create(REPLICA_SET, {**sets, "spec": spec}, manager="t")
    behind = service()
    behind["metadata"]["namespace"] = "default"
    registry.create(SERVICE, behind, manager="t")
    ReplicaSets(registry, Recorder(registry, "t")).sync(("default", "web"))
    return registry


@pytest.mark.parametrize("kind", [ReplicaSets, EndpointSlices, GarbageCollector, Scheduler])
def test_a_sync_copies_no_pods_that_it_only_reads(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, kind: type[Controller]
) -> None:
    controller = kind(registry, Recorder(registry, "t"))
    pod = next(registry.store.peek_all(POD))
    change = Change("MODIFIED", POD, pod, 1, pod)
    key = key_of(pod) if kind is Scheduler else ("", "all") if kind is GarbageCollector else ("default", "web")
    controller.sync(key)  # the first sync writes what is missing
    copies = []
    real = objects.clone

    def counted(value: Any) -> Any:
        copies.append(value.get("kind") if isinstance(value, dict) else None)
        return real(value)

    monkeypatch.setattr(store_module, "clone", counted)
    controller.sync(key)
    list(controller.keys_for(change))
    assert copies.count("Pod") <= 1


class Slow(Controller):
    """A controller whose syncs take long, and that counts them."""

    syncs = 0
    again = asyncio.Event()

    def keys_for(self, change: Change) -> list[Key]:
        """Return always the same key."""
        return [("", "one")]

    def sync(self, key: Key) -> float | None:
        """Sync slowly."""
        time.sleep(0.05)
        self.syncs += 1
        if self.syncs > 1:
            self.again.set()
        return None


def test_changes_by_a_long_sync_itself_are_synced_after_a_rest(registry: Registry) -> None:
    class Changing(Slow):
        def sync(self, key: Key) -> float | None:
            """Sync slowly, and change the object."""
            super().sync(key)
            if self.syncs == 1:
                self.enqueue(key)
            return None

    async def syncs() -> int:
        controller = Changing(registry, Recorder(registry, "t"))
        controller.again = asyncio.Event()
        running = asyncio.create_task(controller.run())
        controller.enqueue(("", "one"))
        for _ in range(9):
            await asyncio.sleep(0)
        seen = controller.syncs
        await controller.again.wait()
        running.cancel()
        return seen

    assert asyncio.run(syncs()) == 1


def test_an_object_whose_sync_takes_long_is_synced_once_for_many_changes(registry: Registry) -> None:
    async def syncs() -> int:
        controller = Slow(registry, Recorder(registry, "t"))
        running = asyncio.create_task(controller.run())
        await asyncio.sleep(0)
        for _ in range(50):
            controller.enqueue(("", "one"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        seen = controller.syncs
        await controller.again.wait()  # the missed changes are synced in the end
        running.cancel()
        return seen

    assert asyncio.run(syncs()) == 1
