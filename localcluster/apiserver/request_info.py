"""RequestInfo: what the URL of a request names."""

from dataclasses import dataclass
from urllib.parse import unquote

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.resources import RESOURCES, Resource


@dataclass(frozen=True)
class RequestInfo:
    """The collection, object or subresource that a URL names.

    Attributes:
        resource: its kind.
        namespace: empty for cluster-wide kinds and for lists over all namespaces.
        name: empty for collections.
        subresource: empty for the object itself.
        rest: the rest of the path after the subresource, as it was sent, with its leading slash (for proxies).
    """

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""


_INDEX = {(r.group, r.version, r.plural): r for r in RESOURCES}


def parse(raw_path: str) -> RequestInfo | None:
    """Return what a path (without the secret prefix) names, or None if it names no object; raises ApiError 404."""
    raw = raw_path.strip("/").split("/")
    parts = [unquote(part) for part in raw]
    match parts:
        case ["api", version, first, *_]:
            group, skip = "", 2
        case ["apis", group, version, first, *_]:
            skip = 3
        case _:
            return None
    parts, namespace = parts[skip:], ""
    # /namespaces/NS/pods is a collection of pods; /namespaces/NS/status belongs to the namespace itself
    if first == "namespaces" and len(parts) > 2 and (group, version, parts[2]) in _INDEX:
        namespace, parts, skip = parts[1], parts[2:], skip + 2
    elif first == "namespaces" and len(parts) > 2 and parts[2] not in ("status", "finalize"):
        raise unknown()
    plural, name, subresource, *_ = [*parts, "", "", ""]
    resource = _INDEX.get((group, version, plural))
    if resource is None or (name and resource.namespaced and not namespace):
        raise unknown()
    rest = raw_path.lstrip("/").split("/", skip + 3)
    return RequestInfo(resource, namespace, name, subresource, "/" + rest[-1] if len(rest) == skip + 4 else "")


def unknown() -> ApiError:
    """Return the 404 of a kind that is not served."""
    return ApiError(404, "the server could not find the requested resource", details={})
