"""Tables: how kubectl get shows objects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from localcluster.objects.selectors import as_text

if TYPE_CHECKING:
    from localcluster.objects.resources import Resource
    from localcluster.objects.store import Object

# Columns by kind, after the name; those of the second string only with -o wide.
_COLUMNS = {
    "Deployment": ("Ready,Up-to-date,Available,Age", "Containers,Images,Selector"),
    "ReplicaSet": ("Desired,Current,Ready,Age", "Containers,Images,Selector"),
    "Pod": ("Ready,Status,Restarts,Age", "IP,Node,Nominated Node,Readiness Gates"),
    "Service": ("Type,Cluster-IP,External-IP,Port(s),Age", "Selector"),
    "ConfigMap": ("Data,Age", ""),
    "Secret": ("Type,Data,Age", ""),
}


def table(resource: Resource, objects: list[Object], version: str, *, include: str = "Metadata") -> dict[str, Any]:
    """Return the Table of some objects; `include` says what each row brings of its object: Metadata, Object or None."""
    narrow, wide = _COLUMNS.get(resource.kind, ("Age", ""))
    columns = [(n, 0) for n in narrow.split(",")] + [(n, 1) for n in wide.split(",") if n]
    definitions = [{"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}]
    definitions += [{"name": n, "type": "string", "format": "", "description": "", "priority": p} for n, p in columns]
    rows = [{"cells": _cells(resource.kind, obj), "object": _row_object(obj, include)} for obj in objects]
    meta = {"resourceVersion": version}
    head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
    return {**head, "columnDefinitions": definitions, "rows": rows}


def _row_object(obj: Object, include: str) -> Object | None:
    if include == "None":
        return None
    if include == "Object":
        return obj
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _cells(kind: str, obj: Object) -> list[Any]:
    age = _age(obj["metadata"].get("creationTimestamp"))
    name, data = obj["metadata"]["name"], len(obj.get("data", {})) + len(obj.get("binaryData", {}))
    match kind:
        case "Deployment":
            return [name, *_deployment(obj, age)]
        case "ReplicaSet":
            return [name, *_replica_set(obj, age)]
        case "Pod":
            return [name, *_pod(obj, age)]
        case "Service":
            return [name, *_service(obj, age)]
        case "ConfigMap":
            return [name, data, age]
        case "Secret":
            return [name, obj.get("type"), data, age]
    return [name, age]


def _age(timestamp: str | None) -> str:
    """Return the time since then as kubectl writes it: 5s, 2m3s, 17m, 3h4m, 25h, 3d."""
    if not timestamp:
        return "<unknown>"
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(timestamp)).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    return f"{days}d{hours % 24}h" if days < 8 and hours % 24 else f"{days}d"


def _template(obj: Object) -> list[str]:
    containers = obj["spec"]["template"]["spec"]["containers"]
    names, images = (",".join(c.get(key, "") for c in containers) for key in ("name", "image"))
    return [names, images, as_text(obj["spec"].get("selector", {}))]


def _deployment(obj: Object, age: str) -> list[Any]:
    spec, status = obj["spec"], obj.get("status", {})
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}"
    return [ready, status.get("updatedReplicas", 0), status.get("availableReplicas", 0), age, *_template(obj)]


def _replica_set(obj: Object, age: str) -> list[Any]:
    spec, status = obj["spec"], obj.get("status", {})
    counts = [spec.get("replicas", 1), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [*counts, age, *_template(obj)]


def _pod(obj: Object, age: str) -> list[Any]:
    spec, status = obj["spec"], obj.get("status", {})
    states = status.get("containerStatuses", [])
    ready = f"{sum(s.get('ready', False) for s in states)}/{len(spec['containers'])}"
    restarts: Any = sum(s.get("restartCount", 0) for s in states)
    ends = [s["lastState"]["terminated"].get("finishedAt") for s in states if s.get("lastState", {}).get("terminated")]
    if restarts and any(ends):
        restarts = f"{restarts} ({_age(max(e for e in ends if e))} ago)"
    where = [status.get("podIP") or "<none>", spec.get("nodeName") or "<none>", "<none>", "<none>"]
    return [ready, _pod_status(obj, states), restarts, age, *where]


def _pod_status(obj: Object, states: list[Object]) -> str:
    """Return the one word that kubectl shows: the phase, or what keeps a container from running."""
    status = obj.get("status", {})
    word: str = status.get("reason") or status.get("phase", "Pending")
    for state in reversed([s.get("state", {}) for s in states]):
        if waiting := state.get("waiting", {}).get("reason"):
            word = waiting
        elif ended := state.get("terminated"):
            word = ended.get("reason") or f"ExitCode:{ended.get('exitCode')}"
    if word == "Completed" and any("running" in s.get("state", {}) and s.get("ready") for s in states):
        word = "Running"
    return "Terminating" if "deletionTimestamp" in obj["metadata"] else word


def _service(obj: Object, age: str) -> list[Any]:
    spec = obj["spec"]
    ports = [
        f"{p['port']}{':' + str(p['nodePort']) if p.get('nodePort') else ''}/{p.get('protocol', 'TCP')}"
        for p in spec.get("ports", [])
    ]
    taken = [c["message"] for c in obj["status"].get("conditions", []) if c["type"] == "PortTaken"]
    shown = " ".join([",".join(ports) or "<none>", *(f"({message})" for message in taken)])
    external = ",".join(spec.get("externalIPs", [])) or (
        "<pending>" if spec.get("type") == "LoadBalancer" else "<none>"
    )
    selector = as_text({"matchLabels": spec.get("selector") or {}}) or "<none>"
    kind, address = spec.get("type", "ClusterIP"), spec.get("clusterIP") or "<none>"
    return [kind, address, external, shown, age, selector]
