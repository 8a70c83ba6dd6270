"""Services as TCP listeners: each connection goes to a random ready pod, as with kube-proxy."""

import logging
import random
from collections.abc import Callable, Iterable
from typing import Any, cast

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.objects import Object, now
from localcluster.apimachinery.resources import ENDPOINT_SLICE, SERVICE
from localcluster.controllers.controller import Controller, Key, key_of
from localcluster.controllers.endpointslices import SERVICE_NAME
from localcluster.kubeproxy.listeners import Address, Listener
from localcluster.network import LOCALHOST, can_bind, free_port
from localcluster.storage.events import Recorder
from localcluster.storage.registry import Registry
from localcluster.storage.store import Change

log = logging.getLogger(__name__)
PORT_TAKEN = "PortTaken"  # condition type in the status of a Service
RECHECK = 5.0  # seconds between two checks of an address that another program uses, or can take


class Services(Controller):
    """Listens on the addresses of Services. Open connections stay open when their pod is deleted."""

    def __init__(
        self,
        registry: Registry,
        recorder: Recorder,
        pod_address: Callable[[str, int], Address | None],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        """`pod_address` returns where a port of the pod with a uid really is; `tell` gets `facts()` after a change."""
        super().__init__(registry, recorder)
        self._tell = tell
        self._pod_address = pod_address
        self._listeners: dict[Key, dict[Address, Listener]] = {}
        self._taken: dict[
            Key, dict[Address, Address]
        ] = {}  # addresses that other programs use → where the Service is instead

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Return the changed Service, or the Service of an EndpointSlice."""
        if change.resource == SERVICE:
            return [key_of(change.object)]
        if change.resource != ENDPOINT_SLICE:
            return []
        meta = change.object["metadata"]
        return [(meta["namespace"], (meta.get("labels") or {}).get(SERVICE_NAME, ""))]

    def sync(self, key: Key) -> float | None:
        """Open, update and close the listeners of a Service."""
        service = self.store.find(SERVICE, *key)
        listeners = self._listeners.setdefault(key, {})
        wanted = {} if service is None else {a: p for p in _tcp_ports(service) for a in self._addresses(service, p)}
        for gone in listeners.keys() - wanted.keys():
            listeners.pop(gone).close()
        if service is None:
            del self._listeners[key]
            self._taken.pop(key, None)
            self._tell(self.facts())
            return None
        slices, before = self._slices(key), self.facts()
        taken = {}
        for address, port in wanted.items():
            found = self._aimed(service, address, port["port"], self._endpoints(slices, port.get("name", "")))
            place = address if found is None else found.address
            if found is not None:
                listeners[address] = found
            if (found is None or place != address) and not self._is_ours(address):
                taken[address] = place
        self._say_taken(service, taken)
        if self.facts() != before:
            self._tell(self.facts())
        return RECHECK if taken or any(one.is_idle for one in listeners.values()) else None

    def _aimed(self, service: Object, address: Address, port: int, endpoints: list[Address]) -> Listener | None:
        """Return the listener for an address of the Service, or None if another program uses its node port.

        If another program uses the cluster IP's port, the listener is on another port until that one is free again.
        """
        key = key_of(service)
        listener = self._listeners[key].pop(address, None)
        if listener is not None and address in self._taken.get(key, {}) and self._is_free(address):
            listener.close()
            listener = None
        if listener is not None and _aims(listener, endpoints):
            return listener
        places = [] if self._is_ours(address) else [address]
        if address[0] == service["spec"].get("clusterIP"):
            places.append((address[0], free_port(address[0])))
        for place in places:
            try:
                listener = Listener(place, port)
            except OSError:
                continue
            if _aims(listener, endpoints):
                if place != address and self._is_ours(address):
                    where = f"port {port} of this Service is at {place[0]}:{place[1]}"
                    self.recorder.normal(service, "Listening", where)
                return listener
        return None

    def _say_taken(self, service: Object, taken: dict[Address, Address]) -> None:
        """Say in an Event and in the status which addresses other programs use, if this has changed."""
        key = key_of(service)
        if taken == self._taken.get(key, {}):
            return
        self._taken[key] = taken
        said = [
            f"another process has {host}:{port}" + (f": use {place[0]}:{place[1]}" if place != (host, port) else "")
            for (host, port), place in taken.items()
        ]
        for (_, port), text in zip(taken, said, strict=True):
            find = f"find it with: ss -ltnp 'sport = :{port}'"
            self.recorder.warning(service, "PortTaken", f"{text}; when it ends, this Service takes the port; {find}")
        others = [c for c in service["status"].get("conditions", []) if c["type"] != PORT_TAKEN]
        condition = {"type": PORT_TAKEN, "status": "True", "reason": "AddressInUse", "message": "; ".join(said)}
        conditions = [*others, {**condition, "lastTransitionTime": now()}] if said else others
        status = {k: v for k, v in service["status"].items() if k != "conditions"}
        status |= {"conditions": conditions} if conditions else {}
        self.registry.update(SERVICE, {**service, "status": status}, manager="kube-proxy", subresource="status")

    def _is_ours(self, address: Address) -> bool:
        return any(one.address == address for listeners in self._listeners.values() for one in listeners.values())

    def _is_free(self, address: Address) -> bool:
        return not self._is_ours(address) and can_bind(*address)

    def close(self) -> None:
        """Stop listening everywhere."""
        for listeners in self._listeners.values():
            for listener in listeners.values():
                listener.close()
        self._listeners.clear()

    def facts(self) -> dict[str, Any]:
        """Return what `localcluster status` shows.

        `services` is where each Service listens, such as `{"default/sampleapp": {"8080": "127.96.128.1:8080"}}`;
        `taken` are addresses that other programs use, such as `{"default/sampleapp": ["127.0.0.1:30080"]}`.
        """
        taken = {
            "/".join(key): [f"{host}:{port}" for host, port in sorted(found)]
            for key, found in sorted(self._taken.items())
            if found
        }
        return {"services": self._listening(), "taken": taken}

    def _listening(self) -> dict[str, dict[str, str]]:
        shown: dict[str, dict[str, str]] = {}
        for key, listeners in sorted(self._listeners.items()):
            for listener in listeners.values():
                host, number = listener.address
                shown.setdefault("/".join(key), {}).setdefault(str(listener.port), f"{host}:{number}")
        return shown

    def real_port(self, service: Object, port: int) -> int:
        """Return the real port of a Service's cluster IP for one of its ports."""
        listener = self._listeners.get(key_of(service), {}).get((service["spec"].get("clusterIP", ""), port))
        return listener.address[1] if listener else port

    def service_address(self, service: Object, port: str) -> Address:
        """Return a ready endpoint for a port of a Service (name, number or "", if only one); raises ApiError 503."""
        ports = service["spec"].get("ports") or []
        named = [p for p in ports if port in (p.get("name", ""), str(p["port"])) or (not port and len(ports) == 1)]
        name = service["metadata"]["name"]
        if not named:
            raise ApiError(503, f'no service port "{port}" found for service "{name}"')
        endpoints = self._endpoints(self._slices(key_of(service)), named[0].get("name", ""))
        if not endpoints:
            raise ApiError(503, f'no endpoints available for service "{name}"')
        return random.choice(endpoints)  # noqa: S311 - balancing, not cryptography

    def _addresses(self, service: Object, port: Object) -> list[Address]:
        found: list[Address] = []
        address = service["spec"].get("clusterIP")
        if address and address != "None":
            found.append((address, port["port"]))
        if port.get("nodePort"):
            found.append((LOCALHOST, port["nodePort"]))
        return found

    def _slices(self, key: Key) -> list[Object]:
        slices = self.store.peek_all(ENDPOINT_SLICE, key[0])
        return [s for s in slices if (s["metadata"].get("labels") or {}).get(SERVICE_NAME) == key[1]]

    def _endpoints(self, slices: list[Object], name: str) -> list[Address]:
        """Return the endpoints for new connections: ready pods or, if there are none, serving pods that terminate."""
        ready, leaving = [], []
        for one in slices:
            number = next((p["port"] for p in one.get("ports") or [] if (p.get("name") or "") == name), None)
            for endpoint in one.get("endpoints") or [] if number is not None else []:
                conditions = endpoint.get("conditions") or {}
                address = self._real(endpoint, cast("int", number))
                if conditions.get("ready", True):
                    ready.append(address)
                elif conditions.get("serving") and conditions.get("terminating"):
                    leaving.append(address)
        return ready or leaving

    def _real(self, endpoint: Object, number: int) -> Address:
        uid = (endpoint.get("targetRef") or {}).get("uid", "")
        return self._pod_address(uid, number) or (endpoint["addresses"][0], number)


def _aims(listener: Listener, endpoints: list[Address]) -> bool:
    """Set the endpoints of a listener and return True, or close it and return False."""
    try:
        listener.aim(endpoints)
    except OSError:
        listener.close()
        return False
    return True


def _tcp_ports(service: Object) -> list[Object]:
    ports = service["spec"].get("ports") or []
    return (
        [p for p in ports if p.get("protocol", "TCP") == "TCP"] if service["spec"].get("type") != "ExternalName" else []
    )
