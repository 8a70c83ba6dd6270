"""The scale subresource: only the replicas of an object."""

import json

from localcluster.apimachinery.errors import ApiError, Cause, invalid
from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.selectors import as_text
from localcluster.storage.schema import is_scalar


def of(obj: Object) -> Object:
    """Return an object's Scale."""
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    counts = {"replicas": obj.get("status", {}).get("replicas", 0), "selector": as_text(obj["spec"]["selector"])}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: value for key, value in obj["metadata"].items() if key in kept},
        "spec": {"replicas": obj["spec"]["replicas"]},
        "status": counts,
    }


def scaled(obj: Object, scale: Object) -> Object:
    """Return the object with the replicas of the Scale; raises ApiError 400 and 422."""
    for part in ("metadata", "spec"):
        if not isinstance(scale.get(part) or {}, dict):
            raise ApiError(400, f'Scale in version "v1" cannot be handled as a Scale: {part} must be an object')
    meta, replicas = obj["metadata"], (scale.get("spec") or {}).get("replicas", 0)
    if not is_scalar("int32", replicas) or replicas < 0:
        cause = Cause("spec.replicas", f"Invalid value: {json.dumps(replicas)}: must be greater than or equal to 0")
        raise invalid("Scale", "autoscaling", meta["name"], [cause])
    version = (scale.get("metadata") or {}).get("resourceVersion", "")
    spec = {**obj["spec"], "replicas": replicas}
    return {**obj, "spec": spec, "metadata": {**meta, "resourceVersion": version}}
