"""Kubernetes objects as plain dicts, as JSON has them: their kinds, names, labels and selectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Object = dict[str, Any]
"""A Kubernetes object."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Annotation in which kubectl repeats the whole manifest, values of Secrets included."""


class Kind(NamedTuple):
    """The kind of an object, with its API version.

    Attributes:
        api_version: group and version, as in the object.
        kind: as in the object.
    """

    api_version: str
    kind: str

    @classmethod
    def of(cls, obj: Object) -> Kind:
        """Return the kind of an object."""
        return cls(obj["apiVersion"], obj["kind"])


DEPLOYMENT = Kind("apps/v1", "Deployment")
REPLICA_SET = Kind("apps/v1", "ReplicaSet")
POD = Kind("v1", "Pod")
SERVICE = Kind("v1", "Service")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice")
NAMESPACE = Kind("v1", "Namespace")
SECRET = Kind("v1", "Secret")
CONFIG_MAP = Kind("v1", "ConfigMap")
LEASE = Kind("coordination.k8s.io/v1", "Lease")
HORIZONTAL_POD_AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler")
VERTICAL_POD_AUTOSCALER = Kind("autoscaling.k8s.io/v1", "VerticalPodAutoscaler")
POD_DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget")
NODE = Kind("v1", "Node")
EVENT = Kind("v1", "Event")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute")
GATEWAY = Kind("gateway.networking.k8s.io/v1", "Gateway")
GATEWAY_CLASS = Kind("gateway.networking.k8s.io/v1", "GatewayClass")

CONFIGURATION_KINDS = (CONFIG_MAP, SECRET)
"""Kinds that pods take their configuration from."""


def is_deployment(item: Object) -> bool:
    """Return whether an object is a Deployment."""
    return identity(item)[:2] == ("apps", "Deployment")


def identity(item: Object) -> tuple[str, str, str]:
    """Return an object's group, kind and name, which are the same in every version of its API."""
    group = item["apiVersion"].rpartition("/")[0]
    return group, item["kind"], item["metadata"]["name"]


def describe(item: Object) -> str:
    """Return kind and name for messages, such as `Deployment sampleapp`."""
    return f"{item['kind']} {item['metadata']['name']}"


def annotations_of(obj: Object | None) -> dict[str, str]:
    """Return an object's annotations, an empty dict without an object."""
    annotations: dict[str, str] = (obj or {"metadata": {}})["metadata"].get("annotations") or {}
    return annotations


def labels_of(obj: Object) -> dict[str, str]:
    """Return an object's labels."""
    labels: dict[str, str] = obj["metadata"].get("labels") or {}
    return labels


def owner_reference(owner: Object) -> Object:
    """Return an entry for `metadata.ownerReferences`: Kubernetes deletes an object after its owner."""
    metadata = owner["metadata"]
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"]}


def owner_uids(obj: Object) -> set[str]:
    """Return the uids of the objects that own an object."""
    return {owner["uid"] for owner in obj["metadata"].get("ownerReferences") or []}


def content(obj: Object) -> Object:
    """Return the content of a ConfigMap or Secret, without its metadata."""
    return {field: obj.get(field) or {} for field in ("data", "binaryData")}


def pod_labels(workload: Object) -> Mapping[str, str]:
    """Return the labels of the pods that a Deployment makes."""
    labels: Mapping[str, str] = (workload["spec"]["template"].get("metadata") or {}).get("labels") or {}
    return labels


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Return whether a LabelSelector matches labels. An empty one matches all labels, None matches nothing."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_meets(expression, labels) for expression in selector.get("matchExpressions") or [])


def _meets(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:  # DoesNotExist
            return value is None
