"""Allocates the cluster IPs and node ports of Services."""

import ipaddress
import random
from collections.abc import Iterator

from localcluster.apimachinery.errors import Cause, invalid, invalid_value
from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.resources import SERVICE
from localcluster.storage.store import Store

NODE_PORTS = range(30000, 32768)


class ServiceAllocator:
    """Gives Services their cluster IPs and node ports. Nobody owns these fields."""

    def __init__(self, store: Store, network: str) -> None:
        self._store = store
        self._network = ipaddress.ip_network(network)

    def allocate(self, service: Object, old: Object | None) -> None:
        """Give a Service the addresses and ports that it lacks, in place.

        Raises ApiError 422 if it asks for an address or a node port that is taken or out of range.
        """
        spec, before = service["spec"], (old or {}).get("spec", {})
        meta = service["metadata"]
        me = meta["namespace"], meta["name"]
        all_ = self._store.peek_all(SERVICE)
        others = [s["spec"] for s in all_ if (s["metadata"]["namespace"], s["metadata"]["name"]) != me]
        if spec["type"] == "ExternalName":
            return
        taken = {other.get("clusterIP") for other in others} if self._network.num_addresses > 1 else set()
        if not spec.get("clusterIP"):
            free = (str(address) for address in self._network.hosts() if str(address) not in taken)
            spec["clusterIP"] = before.get("clusterIP") or next(free)
        causes = [*self._address_problems(spec["clusterIP"], taken), *self._port_problems(spec, others)]
        if causes:
            raise invalid("Service", "", meta["name"], causes)
        spec["clusterIPs"] = [spec["clusterIP"]]
        spec["ipFamilies"] = spec.get("ipFamilies", ["IPv4"])
        spec["ipFamilyPolicy"] = spec.get("ipFamilyPolicy") or "SingleStack"
        ports = {p.get("nodePort") for s in [*others, spec] for p in s.get("ports", [])}
        kept = {(p.get("name"), p.get("port")): p.get("nodePort") for p in before.get("ports", [])}
        for port in spec.get("ports", []):
            if spec["type"] not in ("NodePort", "LoadBalancer"):
                port.pop("nodePort", None)
            elif not port.get("nodePort"):
                # At random, as a real API server does: the clusters on this machine share its ports.
                port["nodePort"] = kept.get((port.get("name"), port["port"])) or random.choice(  # noqa: S311
                    [p for p in NODE_PORTS if p not in ports]
                )
                ports.add(port["nodePort"])

    def _address_problems(self, address: str, taken: set[str]) -> Iterator[Cause]:
        if address == "None":
            return
        network = self._network
        ends = (network.network_address, network.broadcast_address) if network.num_addresses > 1 else ()
        if (wanted := ipaddress.ip_address(address)) not in network or wanted in ends:
            why = f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {network}"
        elif address in taken:
            why = "provided IP is already allocated"
        else:
            return
        yield invalid_value("spec.clusterIPs", [address], f"failed to allocate IP {address}: {why}")

    def _port_problems(self, spec: Object, others: list[Object]) -> Iterator[Cause]:
        taken = {p.get("nodePort") for other in others for p in other.get("ports", [])}
        first, last = NODE_PORTS[0], NODE_PORTS[-1]
        for i, port in enumerate(spec.get("ports", []) if spec["type"] in ("NodePort", "LoadBalancer") else []):
            number, where = port.get("nodePort"), f"spec.ports[{i}].nodePort"
            if number and number not in NODE_PORTS:
                why = f"provided port is not in the valid range. The range of valid ports is {first}-{last}"
                yield invalid_value(where, number, why)
            elif number and number in taken:
                yield invalid_value(where, number, "provided port is already allocated")
