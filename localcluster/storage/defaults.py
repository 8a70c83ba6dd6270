"""What Kubernetes fills in where an object says nothing."""

from __future__ import annotations

import base64
import ipaddress
import random
from collections.abc import Iterator

from localcluster.apimachinery.errors import Cause, invalid
from localcluster.apimachinery.field_errors import invalid_value
from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.resources import SERVICE
from localcluster.storage.store import Store

_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_POD = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}
# What a status counts from the start.
_COUNTS = {
    "ReplicaSet": ("replicas",),
    "PodDisruptionBudget": ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"),
    "HorizontalPodAutoscaler": ("desiredReplicas",),
}
# What volumes that project files say of their modes.
_MODES = ("configMap", "secret", "projected", "downwardAPI")


def fill(obj: Object) -> None:
    """Fill in the defaults of an object, in place."""
    if defaults := _BY_KIND.get(obj["kind"]):
        defaults(obj)


def _missing(obj: Object, values: Object) -> None:
    for key, value in values.items():
        if obj.get(key) in (None, ""):
            obj[key] = value


def _deployment(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _missing(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    strategy = spec.setdefault("strategy", {})
    _missing(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        _missing(rolling, {"maxUnavailable": "25%", "maxSurge": "25%"})
    _template(spec)


def _replica_set(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _missing(spec, {"replicas": 1})
    _template(spec)


def _template(spec: Object) -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    _pod_spec(template.setdefault("spec", {}))


def _pod(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _pod_spec(spec)
    _missing(spec, {"enableServiceLinks": True})
    for container in spec.get("containers", []) + spec.get("initContainers", []):
        resources = container["resources"]
        if "limits" in resources:
            resources["requests"] = {**resources["limits"], **resources.get("requests", {})}


def admit(obj: Object) -> None:
    """Fill in, in place, what Kubernetes' admission and storage say of an object: nobody owns these fields."""
    kind, spec = obj["kind"], obj.get("spec", {})
    if kind == "Pod":
        account = spec.get("serviceAccountName") or "default"
        _missing(spec, {"serviceAccountName": account, "serviceAccount": account})
        _missing(spec, {"priority": 0, "preemptionPolicy": "PreemptLowerPriority"})
        _tolerate(spec)
        _missing(obj["status"], {"phase": "Pending", "qosClass": _qos(spec)})
    elif kind == "Namespace":
        _missing(obj.setdefault("spec", {}), {"finalizers": ["kubernetes"]})
        _missing(obj["status"], {"phase": "Active"})
    elif kind == "EndpointSlice":
        obj |= {"endpoints": obj.get("endpoints") or None, "ports": obj.get("ports") or None}
    elif kind in _COUNTS:
        _missing(obj["status"], dict.fromkeys(_COUNTS[kind], 0))


def _tolerate(spec: Object) -> None:
    """Let a pod stay five minutes on a node that is lost, unless it says how long."""
    given = spec.get("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(t.get("key") in (None, "", key) and t.get("effect") in (None, "", "NoExecute") for t in given):
            lost = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            spec["tolerations"] = [*spec.get("tolerations", []), lost]


def _qos(spec: Object) -> str:
    resources = [c.get("resources", {}) for c in spec.get("containers", []) + spec.get("initContainers", [])]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= set(r.get("limits", {})) and r["limits"] == r.get("requests") for r in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _pod_spec(spec: Object) -> None:
    _missing(spec, _POD)
    spec.setdefault("securityContext", {})
    if "serviceAccountName" in spec or "serviceAccount" in spec:
        spec["serviceAccountName"] = spec["serviceAccount"] = spec.get("serviceAccountName") or spec["serviceAccount"]
    for container in spec.get("containers", []) + spec.get("initContainers", []):
        _container(container)
    for volume in spec.get("volumes", []):
        for source in _MODES:
            if source in volume:
                _missing(volume[source], {"defaultMode": 0o644})
        if set(volume) == {"name"}:
            volume["emptyDir"] = {}
        if "hostPath" in volume:
            volume["hostPath"].setdefault("type", "")


def _container(container: Object) -> None:
    image = container.get("image", "")
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    latest = bool(image) and "@" not in image and tag in ("", "latest")
    values = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
    _missing(container, {**values, "imagePullPolicy": "Always" if latest else "IfNotPresent"})
    container.setdefault("resources", {})
    for port in container.get("ports", []):
        _missing(port, {"protocol": "TCP"})
    for variable in container.get("env", []):
        if reference := variable.get("valueFrom", {}).get("fieldRef"):
            _missing(reference, {"apiVersion": "v1"})
    handlers = [container[p] for p in ("livenessProbe", "readinessProbe", "startupProbe") if p in container]
    for probe in handlers:
        for key, value in _PROBE.items():
            if not probe.get(key):
                probe[key] = value
        if "grpc" in probe:
            probe["grpc"].setdefault("service", "")
    for handler in handlers + [h for h in container.get("lifecycle", {}).values() if isinstance(h, dict)]:
        if "httpGet" in handler:
            _missing(handler["httpGet"], {"path": "/", "scheme": "HTTP"})


def _service(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _missing(spec, {"type": "ClusterIP", "sessionAffinity": "None"})
    if spec["type"] != "ExternalName":
        _missing(spec, {"internalTrafficPolicy": "Cluster"})
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _missing(spec, {"externalTrafficPolicy": "Cluster"})
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    for port in spec.get("ports", []):
        _missing(port, {"protocol": "TCP"})
        _missing(port, {"targetPort": port.get("port")})
    obj.setdefault("status", {}).setdefault("loadBalancer", {})


def _secret(obj: Object) -> None:
    _missing(obj, {"type": "Opaque"})
    plain = {k: base64.b64encode(v.encode()).decode() for k, v in obj.pop("stringData", {}).items()}
    if plain:
        obj["data"] = {**obj.get("data", {}), **plain}


def _namespace(obj: Object) -> None:
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"]["name"]


def _autoscaler(obj: Object) -> None:
    _missing(obj.setdefault("spec", {}), {"minReplicas": 1})


_BY_KIND = {
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "Pod": _pod,
    "Service": _service,
    "Secret": _secret,
    "Namespace": _namespace,
    "HorizontalPodAutoscaler": _autoscaler,
}


class Addresses:
    """Gives Services their cluster addresses and node ports, each once; nobody owns these fields."""

    def __init__(self, store: Store, network: str, node_ports: range) -> None:
        self._store = store
        self._network = ipaddress.ip_network(network)
        self._node_ports = node_ports

    def give(self, service: Object, old: Object | None) -> None:
        """Give a Service what it lacks, in place; what it had, it keeps.

        Raises ApiError 422 where it asks for an address or a node port that is another's, or out of range.
        """
        spec, before = service["spec"], (old or {}).get("spec", {})
        meta = service["metadata"]
        me = meta["namespace"], meta["name"]
        all_ = self._store.peek(SERVICE)
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
        _missing(spec, {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"})
        ports = {p.get("nodePort") for s in [*others, spec] for p in s.get("ports", [])}
        kept = {(p.get("name"), p.get("port")): p.get("nodePort") for p in before.get("ports", [])}
        for port in spec.get("ports", []):
            if spec["type"] not in ("NodePort", "LoadBalancer"):
                port.pop("nodePort", None)
            elif not port.get("nodePort"):
                # At random, as a real API server does: several clusters of this machine share its ports.
                port["nodePort"] = kept.get((port.get("name"), port["port"])) or random.choice(  # noqa: S311
                    [p for p in self._node_ports if p not in ports]
                )
                ports.add(port["nodePort"])

    def _address_problems(self, address: str, taken: set[str]) -> Iterator[Cause]:
        if address == "None":
            return
        network = self._network
        ends = (network.network_address, network.broadcast_address) if network.num_addresses > 1 else ()
        if (asked := ipaddress.ip_address(address)) not in network or asked in ends:
            why = f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {network}"
        elif address in taken:
            why = "provided IP is already allocated"
        else:
            return
        yield invalid_value("spec.clusterIPs", [address], f"failed to allocate IP {address}: {why}")

    def _port_problems(self, spec: Object, others: list[Object]) -> Iterator[Cause]:
        taken = {p.get("nodePort") for other in others for p in other.get("ports", [])}
        first, last = self._node_ports[0], self._node_ports[-1]
        for i, port in enumerate(spec.get("ports", []) if spec["type"] in ("NodePort", "LoadBalancer") else []):
            number, where = port.get("nodePort"), f"spec.ports[{i}].nodePort"
            if number and number not in self._node_ports:
                why = f"provided port is not in the valid range. The range of valid ports is {first}-{last}"
                yield invalid_value(where, number, why)
            elif number and number in taken:
                yield invalid_value(where, number, "provided port is already allocated")
