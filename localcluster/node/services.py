"""Services as TCP listeners: each connection goes to a pod that is ready, chosen at random, as kube-proxy does."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, cast

from localcluster.controllers.controller import Controller, Key, key_of
from localcluster.controllers.endpoints import SERVICE_NAME
from localcluster.node.addresses import LOCALHOST, bound, can_bind, free_port
from localcluster.node.splice import join
from localcluster.objects.resources import ENDPOINT_SLICE, SERVICE
from localcluster.objects.status import ApiError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from localcluster.node.kubelet import Kubelet
    from localcluster.objects.events import Recorder
    from localcluster.objects.registry import Registry
    from localcluster.objects.store import Change, Object

log = logging.getLogger(__name__)
Address = tuple[str, int]
BATCH = 64  # connections accepted before others have their turn


class Services(Controller):
    """Listens on the addresses of Services. Connections that are open stay open when their pod is going."""

    def __init__(
        self,
        registry: Registry,
        recorder: Recorder,
        kubelet: Kubelet,
        tell: Callable[[dict[str, dict[str, str]]], None],
    ) -> None:
        """Call `tell` with `addresses()` whenever they change."""
        super().__init__(registry, recorder)
        self._tell = tell
        self._kubelet = kubelet
        self._listeners: dict[Key, dict[tuple[str, int], Listener]] = {}

    def concerns(self, change: Change) -> Iterable[Key]:
        """Return the Service itself, or the one of an EndpointSlice."""
        if change.resource == SERVICE:
            return [key_of(change.object)]
        if change.resource != ENDPOINT_SLICE:
            return []
        meta = change.object["metadata"]
        return [(meta["namespace"], (meta.get("labels") or {}).get(SERVICE_NAME, ""))]

    def sync(self, key: Key) -> float | None:
        """Open, close and aim the listeners of one Service."""
        service = self.store.find(SERVICE, *key)
        listeners = self._listeners.setdefault(key, {})
        wanted = {} if service is None else {a: p for p in _tcp_ports(service) for a in self._addresses(service, p)}
        for gone in listeners.keys() - wanted.keys():
            listeners.pop(gone).close()
        if service is None:
            self._listeners.pop(key)
            self._tell(self.addresses())
            return None
        slices = self._slices(key)
        before, failed = set(listeners), False
        for address, port in wanted.items():
            try:
                listener = listeners.get(address) or self._listen(service, address, port["port"])
                listeners[address] = listener
                listener.aim(self._endpoints(slices, port.get("name", "")))
            except OSError as error:
                self.recorder.warning(service, "PortTaken", f"cannot listen on {address[0]}:{address[1]}: {error}")
                failed = True
        if set(listeners) != before:
            self._tell(self.addresses())
        return 5.0 if failed else None

    def _listen(self, service: Object, address: Address, port: int) -> Listener:
        """Return a listener, on another port where the Service's is taken; raises OSError where a node port is."""
        host, number = address
        if address[0] == service["spec"].get("clusterIP") and not self._is_free(address):
            number = free_port(host)
            self.recorder.normal(service, "Listening", f"port {port} of this Service is at {host}:{number}")
        return Listener((host, number), port)

    def _is_free(self, address: Address) -> bool:
        ours = {one.address for listeners in self._listeners.values() for one in listeners.values()}
        return address not in ours and can_bind(*address)

    def close(self) -> None:
        """Stop listening everywhere."""
        for listeners in self._listeners.values():
            for listener in listeners.values():
                listener.close()
        self._listeners.clear()

    def addresses(self) -> dict[str, dict[str, str]]:
        """Return where each Service listens: `{"default/sampleapp": {"8080": "127.96.128.1:8080"}}`."""
        shown: dict[str, dict[str, str]] = {}
        for key, listeners in sorted(self._listeners.items()):
            for listener in listeners.values():
                host, number = listener.address
                shown.setdefault("/".join(key), {}).setdefault(str(listener.port), f"{host}:{number}")
        return shown

    def service_address(self, service: Object, port: str) -> Address:
        """Return a ready endpoint of a Service's port (name, number or, of one port, ""); raises ApiError 503."""
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
        slices = self.store.peek(ENDPOINT_SLICE, key[0])
        return [s for s in slices if (s["metadata"].get("labels") or {}).get(SERVICE_NAME) == key[1]]

    def _endpoints(self, slices: list[Object], name: str) -> list[Address]:
        """Return where new connections go: to ready pods; where there is none, to those that go but still serve."""
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
        worker = self._kubelet.worker((endpoint.get("targetRef") or {}).get("uid", ""))
        return (worker.address, worker.real_port(number)) if worker else (endpoint["addresses"][0], number)


class Listener:
    """One listening address of a Service.

    Attributes:
        address: where it listens.
        port: the Service's port that it stands for.
    """

    def __init__(self, address: Address, port: int) -> None:
        """Take the address; raises OSError where another program has it."""
        self.port = port
        self._endpoints: list[Address] = []
        self._listening = False
        self._joining: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = bound(*address)
        self.address = address

    def aim(self, endpoints: list[Address]) -> None:
        """Send new connections there; with nowhere to send them they are refused. Raises OSError."""
        self._endpoints = endpoints
        if endpoints and not self._listening:
            self._socket = self._socket or bound(*self.address)
            self._socket.listen(1024)
            asyncio.get_running_loop().add_reader(self._socket, self._accept)
            self._listening = True
        elif not endpoints and self._listening:
            self.close()
            self._socket = bound(*self.address)  # keeps the port, refuses connections

    def close(self) -> None:
        """Take no more connections; those that are open go on."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        self._socket, self._listening = None, False

    def _accept(self) -> None:
        assert self._socket is not None
        for _ in range(BATCH):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            connection.setblocking(False)
            target = random.choice(self._endpoints)  # noqa: S311 - balancing, not cryptography
            task = asyncio.ensure_future(join(connection, target))
            self._joining.add(task)
            task.add_done_callback(self._joining.discard)


def _tcp_ports(service: Object) -> list[Object]:
    ports = service["spec"].get("ports") or []
    return (
        [p for p in ports if p.get("protocol", "TCP") == "TCP"] if service["spec"].get("type") != "ExternalName" else []
    )
