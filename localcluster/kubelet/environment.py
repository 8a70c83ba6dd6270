"""The environment variables of containers."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.resources import POD, SERVICE
from localcluster.kubelet.pod_context import PodContext
from localcluster.kubelet.references import MissingReferenceError, field_value, read_data
from localcluster.storage.store import Store

LOOPBACK = "localhost,127.0.0.0/8,::1"
REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.][A-Za-z0-9_.-]*)\)")


class Environment:
    """Computes the variables of containers."""

    def __init__(self, store: Store, service_port: Callable[[Object, int], int]) -> None:
        """`service_port` returns where a port of a Service really is."""
        self._store = store
        self._service_port = service_port

    def variables(self, pod: PodContext, container: Object, image: Mapping[str, str]) -> dict[str, str]:
        """Return a container's variables: those of every pod, its image's, envFrom and env.

        Raises MissingReferenceError.
        """
        env = {
            **base_variables(pod),
            **service_variables(self._store.list(SERVICE, pod.namespace), self._service_port),
            **image,
            **listening_variables(container, pod.address, pod.ports),
        }
        for source in container.get("envFrom") or []:
            kind = "configmap" if "configMapRef" in source else "secret"
            ref = source.get("configMapRef") or source["secretRef"]
            data = read_data(self._store, kind, pod.namespace, ref["name"], optional=ref.get("optional", False))
            env |= {source.get("prefix", "") + k: v.decode(errors="replace") for k, v in (data or {}).items()}
        for variable in container.get("env") or []:
            source = variable.get("valueFrom")
            value = self._referred(pod, container, source) if source else expand(variable.get("value", ""), env)
            if value is not None:
                env[variable["name"]] = value
        for name in ("NO_PROXY", "no_proxy"):  # pods must reach each other without a proxy
            env[name] = ",".join(filter(None, [env.get(name), LOOPBACK]))
        return env

    def _referred(self, pod: PodContext, container: Object, source: dict[str, Any]) -> str | None:
        if field := source.get("fieldRef"):
            return field_value(self._store.get(POD, pod.namespace, pod.name), field["fieldPath"])
        if field := source.get("resourceFieldRef"):
            resources = container.get("resources") or {}
            part, _, name = field["resource"].partition(".")
            return str((resources.get(part) or {}).get(name, "0"))
        kind = "configmap" if "configMapKeyRef" in source else "secret"
        ref = source.get("configMapKeyRef") or source.get("secretKeyRef")
        if ref is None:
            raise MissingReferenceError(f"localcluster does not support {', '.join(source)} in env.valueFrom")
        optional = ref.get("optional", False)
        data = read_data(self._store, kind, pod.namespace, ref["name"], optional=optional)
        if data is not None and ref["key"] in data:
            return data[ref["key"]].decode(errors="replace")
        if optional:
            return None
        word = "ConfigMap" if kind == "configmap" else "Secret"
        raise MissingReferenceError(f"couldn't find key {ref['key']} in {word} {pod.namespace}/{ref['name']}")


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by the value of NAME, as Kubernetes does: unknown names stay, `$$` becomes `$`."""

    def value(found: re.Match[str]) -> str:
        return "$" if found.group(0) == "$$" else env.get(found.group(1), found.group(0))

    return REFERENCE.sub(value, text)


def service_variables(services: list[Object], real_port: Callable[[Object, int], int]) -> dict[str, str]:
    """Return NAME_SERVICE_HOST and NAME_SERVICE_PORT for each Service, because there is no DNS.

    `real_port` returns where a port of a Service really is.
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
    """Return the variables that say where to listen: HOST, PORT (the first port) and NAME_PORT for named ports."""
    env, ports = {"HOST": host}, container.get("ports") or []
    for port in reversed(ports):
        number = str(real_ports.get(port["containerPort"], port["containerPort"]))
        env["PORT"] = number
        if port.get("name"):
            env[f"{port['name'].upper().replace('-', '_')}_PORT"] = number
    return env


def base_variables(pod: PodContext) -> dict[str, str]:
    """Return the variables of every pod. It inherits only PATH and LANG from the daemon."""
    inherited = {k: os.environ[k] for k in ("PATH", "LANG") if k in os.environ}
    folders = {"HOME": str(pod.folder / "home"), "TMPDIR": str(pod.folder / "tmp")}
    return {"LANG": "C.UTF-8", **inherited, "HOSTNAME": pod.name, **folders}
