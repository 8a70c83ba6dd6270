"""The kinds that localcluster serves."""

from dataclasses import dataclass

VERSION = "v1.37.1"
"""The version of Kubernetes that these kinds are from; API server and node report it."""


@dataclass(frozen=True)
class Resource:
    """One kind of object.

    Attributes:
        group: API group, empty for the core one.
        version: API version within the group.
        plural: name in URLs.
        kind: name in objects.
        namespaced: whether its objects live in a namespace.
        short_names: abbreviations for kubectl, such as `po`.
        subresources: `status`, `scale`, `log`, `proxy`.
        generations: whether metadata.generation counts the changes of the spec.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    generations: bool = False

    @property
    def api_version(self) -> str:
        """Return the `apiVersion` of objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def is_custom(self) -> bool:
        """Return whether a CustomResourceDefinition defines the kind in Kubernetes."""
        return self.group == GATEWAY_API

    @property
    def full_name(self) -> str:
        """Return the name in messages, such as `pods` or `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


GATEWAY_API = "gateway.networking.k8s.io"
"""The group of the Gateway API, whose kinds are custom resources in Kubernetes."""

RESOURCES = (
    Resource("", "v1", "namespaces", "Namespace", namespaced=False, short_names=("ns",), subresources=("status",)),
    Resource("", "v1", "nodes", "Node", namespaced=False, short_names=("no",), subresources=("status",)),
    Resource("", "v1", "pods", "Pod", short_names=("po",), subresources=("status", "log", "proxy"), generations=True),
    Resource("", "v1", "services", "Service", short_names=("svc",), subresources=("status", "proxy")),
    Resource("", "v1", "configmaps", "ConfigMap", short_names=("cm",)),
    Resource("", "v1", "secrets", "Secret"),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", short_names=("sa",)),
    Resource("", "v1", "events", "Event", short_names=("ev",)),
    Resource("apps", "v1", "deployments", "Deployment", True, ("deploy",), ("status", "scale"), generations=True),
    Resource("apps", "v1", "replicasets", "ReplicaSet", True, ("rs",), ("status", "scale"), generations=True),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    # Gateway API. Controllers that run beside the cluster act on them.
    Resource(GATEWAY_API, "v1", "gatewayclasses", "GatewayClass", False, ("gc",), ("status",), generations=True),
    Resource(GATEWAY_API, "v1", "gateways", "Gateway", True, ("gtw",), ("status",), generations=True),
    Resource(GATEWAY_API, "v1", "httproutes", "HTTPRoute", True, (), ("status",), generations=True),
    Resource(GATEWAY_API, "v1", "grpcroutes", "GRPCRoute", True, (), ("status",), generations=True),
    Resource(GATEWAY_API, "v1", "tlsroutes", "TLSRoute", True, (), ("status",), generations=True),
    Resource(GATEWAY_API, "v1", "backendtlspolicies", "BackendTLSPolicy", True, ("btlspolicy",), ("status",), True),
    Resource(GATEWAY_API, "v1beta1", "referencegrants", "ReferenceGrant", True, ("refgrant",), generations=True),
    # The following are only stored: nothing acts on them.
    Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, ("hpa",), ("status",)),
    Resource(
        "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, ("pdb",), ("status",), generations=True
    ),
    Resource("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
)

CONFIG_MAP = next(r for r in RESOURCES if r.kind == "ConfigMap")
DEPLOYMENT = next(r for r in RESOURCES if r.kind == "Deployment")
REPLICA_SET = next(r for r in RESOURCES if r.kind == "ReplicaSet")
POD = next(r for r in RESOURCES if r.kind == "Pod")
SERVICE = next(r for r in RESOURCES if r.kind == "Service")
ENDPOINT_SLICE = next(r for r in RESOURCES if r.kind == "EndpointSlice")
EVENT = next(r for r in RESOURCES if r.kind == "Event")
NAMESPACE = next(r for r in RESOURCES if r.kind == "Namespace")
NODE = next(r for r in RESOURCES if r.kind == "Node")
SECRET = next(r for r in RESOURCES if r.kind == "Secret")
SERVICE_ACCOUNT = next(r for r in RESOURCES if r.kind == "ServiceAccount")
