"""Tables: how kubectl get shows objects."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.resources import Resource
from localcluster.apimachinery.selectors import as_text

_NODE_WIDE = "*Internal-IP,*External-IP,*OS-Image,*Kernel-Version,*Container-Runtime"
_LISTED = 3  # how many ports and addresses of an EndpointSlice are shown; the others are counted


def table(resource: Resource, objects: list[Object], version: str, *, include: str = "Metadata") -> dict[str, Any]:
    """Return a Table of objects; `include` says what each row contains of its object: Metadata, Object or None."""
    columns, printer = _PRINTERS.get(resource.kind, ("Name,Age", lambda _, age: [age]))
    definitions = [_column(name) for name in columns.split(",")]
    place = next(i for i, column in enumerate(definitions) if column["name"] == "Name")
    rows = []
    for obj in objects:
        cells = printer(obj, _age(obj["metadata"].get("creationTimestamp")))
        cells.insert(place, obj["metadata"]["name"])
        rows.append({"cells": cells, "object": _row_object(obj, include)})
    meta = {"resourceVersion": version}
    head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
    return {**head, "columnDefinitions": definitions, "rows": rows}


def _column(name: str) -> dict[str, Any]:
    shown = name.removeprefix("*")
    form, priority = "name" if shown == "Name" else "", int(name != shown)
    return {"name": shown, "type": "string", "format": form, "description": "", "priority": priority}


def _row_object(obj: Object, include: str) -> Object | None:
    if include == "None":
        return None
    if include == "Object":
        return obj
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _age(timestamp: str | None) -> str:
    """Return the time since a timestamp as kubectl shows it: 5s, 2m3s, 17m, 3h4m, 25h, 3d."""
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
    word = _initialising(obj)
    key = "containerStatuses" if word is None else "initContainerStatuses"
    states = status.get(key, [])
    ready = f"{0 if word else sum(s.get('ready', False) for s in states)}/{len(spec['containers'])}"
    restarts: Any = sum(s.get("restartCount", 0) for s in states)
    ends = [s["lastState"]["terminated"].get("finishedAt") for s in states if s.get("lastState", {}).get("terminated")]
    if restarts and any(ends):
        restarts = f"{restarts} ({_age(max(e for e in ends if e))} ago)"
    going = "deletionTimestamp" in obj["metadata"] and status.get("phase") not in ("Succeeded", "Failed")
    word = "Terminating" if going else word or _pod_status(obj, states)
    where = [status.get("podIP") or "<none>", spec.get("nodeName") or "<none>", "<none>", "<none>"]
    return [ready, word, restarts, age, *where]


def _initialising(obj: Object) -> str | None:
    """Return the status of a pod whose init containers are not done, such as `Init:0/2`; None for other pods."""
    inits = obj.get("status", {}).get("initContainerStatuses", [])
    for done, state in enumerate(each.get("state", {}) for each in inits):
        ended, waiting = state.get("terminated"), state.get("waiting", {}).get("reason", "PodInitializing")
        if ended and not ended.get("exitCode"):
            continue
        if ended:
            return f"Init:{ended.get('reason') or 'ExitCode:' + str(ended.get('exitCode'))}"
        return f"Init:{done}/{len(inits)}" if waiting == "PodInitializing" else f"Init:{waiting}"
    return None


def _pod_status(obj: Object, states: list[Object]) -> str:
    """Return the status that kubectl shows: the phase, or the reason why a container does not run."""
    status = obj.get("status", {})
    word: str = status.get("reason") or status.get("phase", "Pending")
    for state in reversed([s.get("state", {}) for s in states]):
        if waiting := state.get("waiting", {}).get("reason"):
            word = waiting
        elif ended := state.get("terminated"):
            word = ended.get("reason") or f"ExitCode:{ended.get('exitCode')}"
    if word == "Completed" and any("running" in s.get("state", {}) and s.get("ready") for s in states):
        word = "Running"
    return word


def _node(obj: Object, age: str) -> list[Any]:
    status, labels = obj["status"], obj["metadata"].get("labels") or {}
    ready = [c["status"] for c in status.get("conditions", []) if c["type"] == "Ready"]
    words = ["Ready" if ready[0] == "True" else "NotReady"] if ready else ["Unknown"]
    if obj["spec"].get("unschedulable"):
        words.append("SchedulingDisabled")
    prefix = "node-role.kubernetes.io/"
    roles = sorted(label.removeprefix(prefix) for label in labels if label.startswith(prefix))
    info, places = status.get("nodeInfo", {}), {a["type"]: a["address"] for a in status.get("addresses", [])}
    narrow = [",".join(words), ",".join(roles) or "<none>", age, info.get("kubeletVersion", "")]
    addresses = [places.get(kind, "<none>") for kind in ("InternalIP", "ExternalIP")]
    system = [info.get(key) or "<unknown>" for key in ("osImage", "kernelVersion", "containerRuntimeVersion")]
    return [*narrow, *addresses, *system]


def _event(obj: Object, _: str) -> list[Any]:
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    series, source, about = obj.get("series") or {}, obj.get("source") or {}, obj["involvedObject"]
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or first
    target = "/".join(filter(None, [about.get("kind", "").lower(), about.get("name")]))
    component = source.get("component") or obj.get("reportingComponent", "")
    instance = source.get("host") or obj.get("reportingInstance")
    said = [obj.get("type"), obj.get("reason"), target, about.get("fieldPath", "")]
    who = ", ".join(filter(None, [component, instance]))
    count = series.get("count") or obj.get("count") or 1
    return [_age(last), *said, who, obj.get("message", "").strip(), _age(first), count]


def _some(items: list[Any]) -> str:
    if not items:
        return "<unset>"
    more = f" + {len(items) - _LISTED} more..." if len(items) > _LISTED else ""
    return ",".join(map(str, items[:_LISTED])) + more


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


def _endpoint_slice(obj: Object, age: str) -> list[Any]:
    ports = [p.get("port", p.get("name", "*")) for p in obj["ports"] or []]
    addresses = [address for endpoint in obj["endpoints"] or [] for address in endpoint["addresses"]]
    return [obj["addressType"], _some(ports), _some(addresses), age]


def _data(obj: Object) -> int:
    return len(obj.get("data", {})) + len(obj.get("binaryData", {}))


def _condition(obj: Object, kind: str) -> str:
    return next((c["status"] for c in obj.get("status", {}).get("conditions", []) if c["type"] == kind), "")


def _gateway_class(obj: Object, age: str) -> list[Any]:
    spec = obj["spec"]
    return [spec.get("controllerName", ""), _condition(obj, "Accepted"), age, spec.get("description", "")]


def _gateway(obj: Object, age: str) -> list[Any]:
    addresses = ",".join(one["value"] for one in obj.get("status", {}).get("addresses", []))
    return [obj["spec"].get("gatewayClassName", ""), addresses, _condition(obj, "Programmed"), age]


def _route(obj: Object, age: str) -> list[Any]:
    return [json.dumps(obj["spec"]["hostnames"]) if "hostnames" in obj["spec"] else "", age]


# Columns by kind, and the function that returns their cells, without the name. A * marks columns of -o wide.
_PRINTERS: dict[str, tuple[str, Callable[[Object, str], list[Any]]]] = {
    "Deployment": ("Name,Ready,Up-to-date,Available,Age,*Containers,*Images,*Selector", _deployment),
    "ReplicaSet": ("Name,Desired,Current,Ready,Age,*Containers,*Images,*Selector", _replica_set),
    "Pod": ("Name,Ready,Status,Restarts,Age,*IP,*Node,*Nominated Node,*Readiness Gates", _pod),
    "Service": ("Name,Type,Cluster-IP,External-IP,Port(s),Age,*Selector", _service),
    "ConfigMap": ("Name,Data,Age", lambda obj, age: [_data(obj), age]),
    "Secret": ("Name,Type,Data,Age", lambda obj, age: [obj.get("type"), _data(obj), age]),
    "Namespace": ("Name,Status,Age", lambda obj, age: [obj["status"].get("phase"), age]),
    "Node": (f"Name,Status,Roles,Age,Version,{_NODE_WIDE}", _node),
    "Event": ("Last Seen,Type,Reason,Object,*Subobject,*Source,Message,*First Seen,*Count,*Name", _event),
    "GatewayClass": ("Name,Controller,Accepted,Age,*Description", _gateway_class),
    "Gateway": ("Name,Class,Address,Programmed,Age", _gateway),
    "HTTPRoute": ("Name,Hostnames,Age", _route),
    "EndpointSlice": ("Name,AddressType,Ports,Endpoints,Age", _endpoint_slice),
}
