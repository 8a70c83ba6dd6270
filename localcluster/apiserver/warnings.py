"""Warnings about fields that localcluster accepts but does not act on."""

import json
from collections.abc import Iterator, Mapping

from localcluster.apimachinery.objects import Json, Object

# Kinds that localcluster only stores.
_KINDS = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "Role", "RoleBinding", "ServiceAccount")
_NOTHING: tuple[Json, ...] = (None, "", {}, [])
_ANTI_AFFINITY = "affinity.podAntiAffinity"
_PREFERRED = f"{_ANTI_AFFINITY}.preferredDuringSchedulingIgnoredDuringExecution"
_REQUIRED = f"{_ANTI_AFFINITY}.requiredDuringSchedulingIgnoredDuringExecution[*]"


def _fields(*lines: str) -> dict[str, Json]:
    """Return fields with the value that needs no warning: the one after `=`, or false."""
    words = sorted(word.partition("=") for line in lines for word in line.split())
    return {field: json.loads(value) if value else False for field, _, value in words}


# Fields without effect. Their defaults need no warning, nor do null and empty values.
_POD_SPEC = _fields(
    # names and DNS
    'hostname hostnameOverride setHostnameAsFQDN subdomain hostAliases dnsConfig dnsPolicy="ClusterFirst"',
    # isolation
    "hostIPC hostNetwork hostPID hostUsers=true shareProcessNamespace securityContext runtimeClassName os",
    # accounts and images
    'automountServiceAccountToken serviceAccountName="default" imagePullSecrets',
    # scheduling
    'affinity.nodeAffinity affinity.podAffinity schedulerName="default-scheduler" schedulingGates schedulingGroup',
    f"{_REQUIRED}.matchLabelKeys {_REQUIRED}.mismatchLabelKeys {_REQUIRED}.namespaceSelector {_PREFERRED}",
    'topologySpreadConstraints priority priorityClassName preemptionPolicy="PreemptLowerPriority" overhead',
    "resources resourceClaims evictionResponders",
    # life
    "activeDeadlineSeconds readinessGates enableServiceLinks=true",
    # volumes
    "volumes[*].configMap.defaultMode=420 volumes[*].configMap.items[*].mode=420",
    "volumes[*].secret.defaultMode=420 volumes[*].secret.items[*].mode=420 volumes[*].projected.defaultMode=420",
    "volumes[*].downwardAPI.defaultMode=420 volumes[*].downwardAPI.items[*].mode=420",
    "volumes[*].downwardAPI.items[*].resourceFieldRef volumes[*].emptyDir.medium volumes[*].emptyDir.sizeLimit",
)
_CONTAINER = _fields(
    # isolation
    "securityContext resources.limits resources.claims resizePolicy volumeDevices",
    'volumeMounts[*].readOnly volumeMounts[*].recursiveReadOnly="Disabled" volumeMounts[*].subPathExpr',
    'volumeMounts[*].mountPropagation="None" volumeMounts[*].bindMountOptions',
    # process
    'env[*].valueFrom.resourceFieldRef.containerName env[*].valueFrom.resourceFieldRef.divisor="0" stdin tty',
    'lifecycle.stopSignal restartPolicyRules terminationMessagePath="/dev/termination-log"',
    "ports[*].hostIP ports[*].hostPort",
)
_SERVICE_SPEC = _fields(
    'externalIPs externalName externalTrafficPolicy="Cluster" internalTrafficPolicy="Cluster" trafficDistribution',
    'sessionAffinity="None" ipFamilies=["IPv4"] ipFamilyPolicy="SingleStack"',
    "loadBalancerClass loadBalancerIP loadBalancerSourceRanges",
)
_NODE_SPEC = _fields("taints unschedulable")
_COUNTED = ("cpu", "memory")  # the requests that the scheduler counts
_LOST_NODE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")  # admission adds these tolerations
_POD_SECURITY = "pod-security.kubernetes.io/"


def unsupported(new: Object, old: Object | None = None) -> list[str]:
    """Return a sentence that names the fields without effect, if there are any; for an update, only changed fields."""
    if new["kind"] in _KINDS:
        same = old is not None and _content(new) == _content(old)
        return [] if same else [f"localcluster only stores a {new['kind']}: it does not act on it"]
    before = dict(_ignored(old)) if old is not None else {}
    paths = [path for path, values in _ignored(new) if before.get(path) != values]
    return [f"localcluster does not act on {', '.join(paths)}"] if paths else []


def warning_headers(texts: list[str]) -> dict[str, str]:
    """Return the Warning header, which kubectl prints."""
    return {"Warning": ", ".join(f"299 - {json.dumps(text)}" for text in texts)} if texts else {}


def _content(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def _ignored(obj: Object) -> Iterator[tuple[str, list[Json]]]:
    """Yield path and values of each field without effect; `[*]` stands for all items of a list."""
    match obj["kind"]:
        case "Pod":
            yield from _pod_spec("spec", obj["spec"])
        case "Deployment" | "ReplicaSet":
            yield from _pod_spec("spec.template.spec", obj["spec"]["template"]["spec"])
        case "Service":
            yield from _asked("spec", obj["spec"], _SERVICE_SPEC)
            if other := [p for p in obj["spec"].get("ports", []) if p.get("protocol") != "TCP"]:
                yield f"spec.ports[*].protocol {'/'.join(sorted({p['protocol'] for p in other}))}", other
        case "Node":
            yield from _asked("spec", obj["spec"], _NODE_SPEC)
        case "Namespace":
            for label, value in (obj["metadata"].get("labels") or {}).items():
                if label.startswith(_POD_SECURITY):
                    yield f"metadata.labels[{label}]", [value]


def _pod_spec(path: str, spec: Object) -> Iterator[tuple[str, list[Json]]]:
    yield from _asked(path, spec, _POD_SPEC)
    if tolerations := [t for t in spec.get("tolerations", []) if t.get("key") not in _LOST_NODE]:
        yield f"{path}.tolerations", tolerations
    for group in ("initContainers", "containers"):
        containers, where = spec.get(group, []), f"{path}.{group}[*]"
        yield from _asked(where, {"all": containers}, {f"all[*].{key}": nil for key, nil in _CONTAINER.items()})
        requests = [c.get("resources", {}).get("requests", {}) for c in containers]
        for name in sorted({name for request in requests for name in request if name not in _COUNTED}):
            yield f"{where}.resources.requests[{name}]", [request.get(name) for request in requests]
    if policies := [c["restartPolicy"] for c in spec.get("containers", []) if c.get("restartPolicy")]:
        yield f"{path}.containers[*].restartPolicy", policies


def _asked(path: str, part: Object, fields: Mapping[str, Json]) -> Iterator[tuple[str, list[Json]]]:
    for field, nothing in fields.items():
        values = [v for v in _values(part, field.split(".")) if v not in _NOTHING and v != nothing]
        if values:
            yield f"{path}.{field.removeprefix('all[*].')}", values


def _values(value: Json, keys: list[str]) -> Iterator[Json]:
    """Yield the values at a path of keys; a key with `[*]` stands for all items of its list."""
    if not keys:
        yield value
    elif isinstance(value, dict):
        key, rest = keys[0], keys[1:]
        found = value.get(key.removesuffix("[*]"))
        for each in (found or []) if key.endswith("[*]") else [found]:
            yield from _values(each, rest)
