"""EndpointSlices of Services that come and go."""

from __future__ import annotations

from localcluster.apimachinery.resources import ENDPOINT_SLICE, NAMESPACE, SERVICE
from localcluster.controllers.endpointslices import EndpointSlices
from localcluster.controllers.garbage_collector import GarbageCollector
from localcluster.storage.events import Recorder
from localcluster.storage.registry import Registry
from localcluster.storage.store import Store
from tests.localcluster.objects import service


def test_a_service_that_is_made_again_keeps_its_slice_when_that_of_its_predecessor_is_collected() -> None:
    registry = Registry(Store())
    registry.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}, manager="t")
    slices = EndpointSlices(registry, Recorder(registry, "t"))
    made = service()
    made["metadata"]["namespace"] = "default"
    key = ("default", made["metadata"]["name"])
    uids = []
    for _ in range(2):
        uids.append(registry.create(SERVICE, made, manager="t")["metadata"]["uid"])
        slices.sync(key)
        if len(uids) == 1:
            registry.delete(SERVICE, *key)  # the garbage collector comes later

    GarbageCollector(registry, Recorder(registry, "t")).sync(("", "all"))

    (left,) = registry.store.list(ENDPOINT_SLICE, "default")
    assert left["metadata"]["ownerReferences"][0]["uid"] == uids[1] != uids[0]
