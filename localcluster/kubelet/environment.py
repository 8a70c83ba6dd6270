"""What a container's process finds in its environment, and how its command line is put together."""

from __future__ import annotations

import base64
import os
import re
from typing import TYPE_CHECKING, Any

from localcluster.apimachinery.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from localcluster.apimachinery.objects import Object
    from localcluster.storage.store import Store

CONFIG_MAP = next(r for r in RESOURCES if r.kind == "ConfigMap")
SECRET = next(r for r in RESOURCES if r.kind == "Secret")
LOOPBACK = "localhost,127.0.0.0/8,::1"
REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.][A-Za-z0-9_.-]*)\)")


class MissingReferenceError(Exception):
    """A container refers to a ConfigMap or Secret, or a key of one, that is not there."""


def read_data(store: Store, kind: str, namespace: str, name: str, *, optional: bool = False) -> dict[str, bytes] | None:
    """Return the content of a `configmap` or `secret` by key, None where it is absent and may be.

    Raises MissingReferenceError.
    """
    found = store.find(CONFIG_MAP if kind == "configmap" else SECRET, namespace, name)
    if found is None:
        if optional:
            return None
        raise MissingReferenceError(f'{kind} "{name}" not found')
    encoded = found.get("data") or {}
    plain = {k: base64.b64decode(v) if kind == "secret" else v.encode() for k, v in encoded.items()}
    binary = found.get("binaryData") or {}
    return plain | {k: base64.b64decode(v) for k, v in binary.items()}


def variables(store: Store, pod: Object, container: Object, base: Mapping[str, str]) -> dict[str, str]:
    """Return base with what the container's envFrom and env add; raises MissingReferenceError."""
    namespace = pod["metadata"]["namespace"]
    env = dict(base)
    for source in container.get("envFrom") or []:
        kind = "configmap" if "configMapRef" in source else "secret"
        ref = source.get("configMapRef") or source["secretRef"]
        data = read_data(store, kind, namespace, ref["name"], optional=ref.get("optional", False))
        env |= {source.get("prefix", "") + k: v.decode(errors="replace") for k, v in (data or {}).items()}
    for variable in container.get("env") or []:
        value = variable.get("value", "")
        if "valueFrom" in variable:
            value = _referred(store, pod, container, variable["valueFrom"])
        else:
            value = expand(value, env)
        if value is not None:
            env[variable["name"]] = value
    for name in ("NO_PROXY", "no_proxy"):  # a proxy from the manifest must not get between the pods
        env[name] = ",".join(filter(None, [env.get(name), LOOPBACK]))
    return env


def _referred(store: Store, pod: Object, container: Object, source: dict[str, Any]) -> str | None:
    if field := source.get("fieldRef"):
        return field_value(pod, field["fieldPath"])
    if field := source.get("resourceFieldRef"):
        resources = container.get("resources") or {}
        part, _, name = field["resource"].partition(".")
        return str((resources.get(part) or {}).get(name, "0"))
    kind = "configmap" if "configMapKeyRef" in source else "secret"
    ref = source.get("configMapKeyRef") or source["secretKeyRef"]
    optional, namespace = ref.get("optional", False), pod["metadata"]["namespace"]
    data = read_data(store, kind, namespace, ref["name"], optional=optional)
    if data is not None and ref["key"] in data:
        return data[ref["key"]].decode(errors="replace")
    if optional:
        return None
    word = "ConfigMap" if kind == "configmap" else "Secret"
    raise MissingReferenceError(f"couldn't find key {ref['key']} in {word} {namespace}/{ref['name']}")


def field_value(pod: Object, path: str) -> str:
    """Return what the downward API says of a field of the pod."""
    found = re.fullmatch(r"metadata\.(labels|annotations)(?:\['(.+)'\])?", path)
    if found and found.group(2):
        return str((pod["metadata"].get(found.group(1)) or {}).get(found.group(2), ""))
    if found:
        entries = sorted((pod["metadata"].get(found.group(1)) or {}).items())
        return "\n".join(f'{k}="{v}"' for k, v in entries)
    value: Any = pod
    for name in path.split("."):
        value = value.get(name, "") if isinstance(value, dict) else ""
    return ",".join(each["ip"] for each in value) if isinstance(value, list) else str(value)


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value, as Kubernetes does: unknown names stay as they are, `$$` is a `$`."""

    def value(found: re.Match[str]) -> str:
        return "$" if found.group(0) == "$$" else env.get(found.group(1), found.group(0))

    return REFERENCE.sub(value, text)


def service_variables(services: list[Object], real_port: Callable[[Object, int], int]) -> dict[str, str]:
    """Return NAME_SERVICE_HOST and NAME_SERVICE_PORT of each Service: there is no DNS here to ask.

    `real_port` tells where a port of a Service really is.
    """
    env: dict[str, str] = {}
    for service in services:
        name = service["metadata"]["name"].upper().replace("-", "_")
        address, ports = service["spec"].get("clusterIP"), service["spec"].get("ports") or []
        if address in (None, "", "None") or not ports:
            continue
        env |= {f"{name}_SERVICE_HOST": address, f"{name}_SERVICE_PORT": str(real_port(service, ports[0]["port"]))}
        for port in ports:
            if port.get("name"):
                number = str(real_port(service, port["port"]))
                env[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = number
    return env


def listening_variables(container: Object, host: str, real_ports: Mapping[int, int]) -> dict[str, str]:
    """Return what tells a process where to listen: HOST, PORT (its first port) and NAME_PORT for each named one."""
    env, ports = {"HOST": host}, container.get("ports") or []
    for port in reversed(ports):
        number = str(real_ports.get(port["containerPort"], port["containerPort"]))
        env["PORT"] = number
        if port.get("name"):
            env[f"{port['name'].upper().replace('-', '_')}_PORT"] = number
    return env


def base_variables(pod: Object, temporary: str) -> dict[str, str]:
    """Return what every process gets. Of this machine's environment only PATH, HOME and LANG: a pod is not at home."""
    inherited = {k: os.environ[k] for k in ("PATH", "HOME", "LANG") if k in os.environ}
    return {"LANG": "C.UTF-8", **inherited, "HOSTNAME": pod["metadata"]["name"], "TMPDIR": temporary}
