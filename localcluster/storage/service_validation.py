"""Validation of Services, and of the addresses in a status."""

import ipaddress
from collections.abc import Iterator

from localcluster.apimachinery.errors import Cause, duplicate, forbidden, invalid_value, not_supported, required
from localcluster.apimachinery.objects import Json, Object
from localcluster.storage.formats import check_name, port_number, port_reference

KINDS = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
WITH_NODE_PORTS = ("LoadBalancer", "NodePort")


def service(obj: Object, old: Object | None) -> Iterator[Cause]:
    """Yield the errors of a Service. ServiceAllocator checks which addresses and node ports are free."""
    spec = obj["spec"]
    if spec["type"] not in KINDS:
        yield not_supported("spec.type", spec["type"], KINDS)
    ports = spec.get("ports", [])
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    names: set[str] = set()
    for i, port in enumerate(ports):
        where = f"spec.ports[{i}]"
        name = port.get("name", "")
        if not name and len(ports) > 1:
            yield required(f"{where}.name")
        elif name:
            yield from check_name("label", f"{where}.name", name)
            if name in names:
                yield duplicate(f"{where}.name", name)
            names.add(name)
        yield from port_number(f"{where}.port", port.get("port", 0))
        yield from port_reference(f"{where}.targetPort", port.get("targetPort") or 0)
    yield from _node_ports(spec, old)
    yield from _cluster_ip(spec, old)
    for i, address in enumerate(spec.get("externalIPs", [])):
        yield from _external(f"spec.externalIPs[{i}]", address)


def status(obj: Object) -> Iterator[Cause]:
    """Yield the errors of the addresses in the status of a Service or a Pod."""
    found = obj.get("status", {})
    listed = [
        ("status.podIPs", found.get("podIPs", [])),
        ("status.hostIPs", found.get("hostIPs", [])),
        ("status.loadBalancer.ingress", found.get("loadBalancer", {}).get("ingress", [])),
    ]
    for path, entries in listed:
        for i, entry in enumerate(entries):
            if entry.get("ip"):
                yield from _address(f"{path}[{i}].ip", entry["ip"])
    for key in ("podIP", "hostIP"):
        if found.get(key):
            yield from _address(f"status.{key}", found[key])


def _node_ports(spec: Object, old: Object | None) -> Iterator[Cause]:
    given = [port.get("nodePort") for port in spec.get("ports", [])]
    before = [port.get("nodePort") for port in (old or {}).get("spec", {}).get("ports", [])]
    if spec["type"] == "ClusterIP" and given != before:  # old node ports disappear with the old type
        for i, number in enumerate(given):
            if number:
                yield forbidden(f"spec.ports[{i}].nodePort", "may not be used when `type` is 'ClusterIP'")
    seen: set[Json] = set()
    for i, port in enumerate(spec.get("ports", [])):
        key = (port.get("protocol"), port.get("nodePort"))
        if key[1] and key in seen:
            yield duplicate(f"spec.ports[{i}].nodePort", key[1])
        seen.add(key)


def _cluster_ip(spec: Object, old: Object | None) -> Iterator[Cause]:
    address, listed = spec.get("clusterIP") or "", spec.get("clusterIPs", [])
    if address == "None" and spec["type"] in WITH_NODE_PORTS:
        yield invalid_value("spec.clusterIPs[0]", address, f"may not be set to 'None' for {spec['type']} services")
    elif address not in ("", "None"):
        yield from _address("spec.clusterIPs[0]", address)
    if old is None and listed and not address:
        yield invalid_value("spec.clusterIPs", listed, "must be empty when `clusterIP` is not specified")
    elif old is None and listed and listed[0] != address:
        yield invalid_value("spec.clusterIPs", listed, "first value must match `clusterIP`")
    before = (old or {}).get("spec", {}).get("clusterIP")
    if before and address not in ("", before) and spec["type"] != "ExternalName":
        yield invalid_value("spec.clusterIPs[0]", [address], "may not change once set")


def _address(field: str, address: str) -> Iterator[Cause]:
    if _parsed(address) is None:
        yield invalid_value(field, address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")


def _external(field: str, address: str) -> Iterator[Cause]:
    """Yield the errors of an external IP."""
    yield from _address(field, address)
    parsed = _parsed(address)
    if parsed is None:
        return
    if parsed.is_unspecified:
        yield invalid_value(field, address, f"may not be unspecified ({address})")
    if parsed.is_loopback:
        yield invalid_value(field, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if parsed.is_link_local:
        yield invalid_value(field, address, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if parsed in ipaddress.ip_network("224.0.0.0/24"):
        yield invalid_value(field, address, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
