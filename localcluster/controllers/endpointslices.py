"""The EndpointSlice controller: which pods a Service has, and which of them get new connections."""

from collections.abc import Iterable
from typing import Any

from localcluster.apimachinery.conditions import is_true
from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.resources import ENDPOINT_SLICE, POD, SERVICE
from localcluster.controllers.controller import (
    MANAGER,
    Controller,
    Key,
    controller_of,
    is_over,
    key_of,
    owner_reference,
)
from localcluster.storage.store import Change

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
Ports = tuple[tuple[str, int, str], ...]  # name, number of the pod's port, protocol


class EndpointSlices(Controller):
    """Writes the EndpointSlices of Services that have a selector."""

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Return the changed Service, or the Services that select a pod now or selected it before."""
        if change.resource == SERVICE:
            return [key_of(change.object)]
        if change.resource != POD:
            return []
        labels = [o["metadata"].get("labels") or {} for o in (change.object, change.previous) if o]
        services = self.store.peek_all(SERVICE, change.object["metadata"]["namespace"])
        return [key_of(s) for s in services if any(_selects(s, each) for each in labels)]

    def sync(self, key: Key) -> float | None:
        """Write one EndpointSlice for each set of port numbers that the pods of a Service have."""
        service = self.store.find(SERVICE, *key)
        if service is None or not service["spec"].get("selector"):
            return None
        wanted: dict[Ports, list[Object]] = {}
        for pod in self.store.peek_all(POD, key[0]):
            selected = _selects(service, pod["metadata"].get("labels") or {})
            if selected and pod.get("status", {}).get("podIP") and not is_over(pod):
                wanted.setdefault(_ports(service, pod), []).append(_endpoint(service, pod))
        if not wanted:
            wanted[()] = []
        old = [s for s in self.store.list(ENDPOINT_SLICE, key[0]) if _is_of(s, service)]
        for ports, endpoints in wanted.items():
            listed = [{"name": name, "port": number, "protocol": protocol} for name, number, protocol in ports]
            same = next((s for s in old if (s["ports"] or []) == listed), old[0] if old and len(wanted) == 1 else None)
            if same is None:
                self.registry.create(ENDPOINT_SLICE, _new_slice(service, listed, endpoints), manager=MANAGER)
                continue
            old.remove(same)
            if (same["ports"] or [], same["endpoints"] or []) != (listed, endpoints):
                same.update(ports=listed, endpoints=endpoints)
                self.registry.update(ENDPOINT_SLICE, same, manager=MANAGER)
        for s in old:
            self.registry.delete(ENDPOINT_SLICE, *key_of(s))
        return None


def target_port(service_port: Object, pod: Object) -> int | None:
    """Return the port number of a pod for a Service's port, or None if the pod has no port of that name."""
    target = service_port.get("targetPort", service_port["port"])
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or []:
            if port.get("name") == target and port.get("protocol", "TCP") == service_port.get("protocol", "TCP"):
                return int(port["containerPort"])
    return None


def _ports(service: Object, pod: Object) -> Ports:
    found = []
    for port in service["spec"].get("ports") or []:
        number = target_port(port, pod)
        if number is not None:
            found.append((port.get("name", ""), number, port.get("protocol", "TCP")))
    return tuple(found)


def _endpoint(service: Object, pod: Object) -> dict[str, Any]:
    meta, terminating = pod["metadata"], "deletionTimestamp" in pod["metadata"]
    serving = is_true(pod, "Ready") or bool(service["spec"].get("publishNotReadyAddresses"))
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": serving and not terminating, "serving": serving, "terminating": terminating},
        "nodeName": pod["spec"].get("nodeName"),
        "targetRef": {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
    }


def _new_slice(service: Object, ports: list[Object], endpoints: list[Object]) -> Object:
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    labels = {**(service["metadata"].get("labels") or {}), SERVICE_NAME: name, MANAGED_BY: CONTROLLER}
    meta = {"generateName": f"{name}-", "namespace": namespace, "labels": labels}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**meta, "ownerReferences": [owner_reference(service)]},
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": endpoints,
    }


def _is_of(slice_: Object, service: Object) -> bool:
    """Return whether a slice is this Service's, and not one of a deleted Service of this name, which goes soon."""
    labels, owner = slice_["metadata"].get("labels") or {}, controller_of(slice_)
    is_named = labels.get(SERVICE_NAME) == service["metadata"]["name"] and labels.get(MANAGED_BY) == CONTROLLER
    return is_named and owner is not None and owner["uid"] == service["metadata"]["uid"]


def _selects(service: Object, labels: dict[str, str]) -> bool:
    selector = service["spec"].get("selector") or {}
    return bool(selector) and selector.items() <= labels.items()
