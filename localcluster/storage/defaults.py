"""The defaults that Kubernetes sets for missing fields."""

import base64

from localcluster.apimachinery.objects import Object

_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_POD = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}
# Counts that a new status has.
_COUNTS = {
    "ReplicaSet": ("replicas",),
    "PodDisruptionBudget": ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"),
    "HorizontalPodAutoscaler": ("desiredReplicas",),
}
# Volumes that have a defaultMode.
_MODES = ("configMap", "secret", "projected", "downwardAPI")


# What metadata does not show while it is empty.
_LEFT_OUT = ("labels", "annotations", "finalizers", "ownerReferences")


def fill(obj: Object) -> None:
    """Set the defaults of an object, in place."""
    meta = obj["metadata"]
    for key in _LEFT_OUT:
        if key in meta and not meta[key]:
            del meta[key]
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
    """Set, in place, the fields that admission and storage set in Kubernetes: nobody owns these fields."""
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
    """Add the tolerations for a lost node (five minutes), unless the pod has its own."""
    tolerations = spec.get("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(t.get("key") in (None, "", key) and t.get("effect") in (None, "", "NoExecute") for t in tolerations):
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
