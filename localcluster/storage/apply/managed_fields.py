"""Field ownership: the managedFields of an object after a write.

The rules are those of sigs.k8s.io/structured-merge-diff (merge/update.go) and of Kubernetes' managedfields package.
"""

from dataclasses import dataclass

from localcluster.apimachinery.objects import Object, now
from localcluster.apimachinery.resources import GATEWAY_API
from localcluster.storage.apply import field_sets
from localcluster.storage.apply.field_sets import Paths
from localcluster.storage.schema import Type

Key = tuple[str, str, str]  # manager, operation, subresource

# Fields that every object of a kind has, because Go's types have them. Nobody owns them only for that.
_TEMPLATE: Object = {"metadata": {}, "spec": {"containers": None}}
_EMPTY: dict[str, Object] = {
    "Deployment": {"spec": {"selector": None, "strategy": {}, "template": _TEMPLATE}, "status": {}},
    "ReplicaSet": {"spec": {"selector": None, "template": _TEMPLATE}, "status": {}},
    "Pod": {"spec": {"containers": None}, "status": {}},
    "Service": {"spec": {}, "status": {"loadBalancer": {}}},
    "HorizontalPodAutoscaler": {"spec": {"scaleTargetRef": {}}, "status": {}},
}


@dataclass
class Entry:
    """The fields that one manager owns through one operation."""

    fields: Paths
    api_version: str
    time: str


def entries_of(obj: Object) -> dict[Key, Entry]:
    """Return the managedFields of an object; raises ValueError if they are invalid."""
    return {
        (e["manager"], e["operation"], e.get("subresource", "")): Entry(
            field_sets.decode(e.get("fieldsV1", {})), e.get("apiVersion", ""), e.get("time", "")
        )
        for e in obj.get("metadata", {}).get("managedFields") or []
        if e.get("manager") and e.get("operation")
    }


def written(entries: dict[Key, Entry]) -> list[Object]:
    """Return entries as managedFields, in Kubernetes' order, without entries that own nothing."""
    found = []
    for (manager, operation, subresource), entry in entries.items():
        if not entry.fields:
            continue
        shown: Object = {"manager": manager, "operation": operation, "apiVersion": entry.api_version}
        shown |= {"time": entry.time, "fieldsType": "FieldsV1", "fieldsV1": field_sets.encode(entry.fields)}
        found.append({**shown, **({"subresource": subresource} if subresource else {})})
    return sorted(found, key=lambda e: (e["operation"], e["time"], e["manager"]))


def after_update(
    of: Type,
    old: Object | None,
    new: Object,
    manager: str,
    subresource: str = "",
    *,
    given: list[Object] | None = None,
) -> list[Object]:
    """Return managedFields after a write other than apply: the manager, and nobody else, owns what it changed.

    `given` are managedFields in the write itself: kubectl renames its entries in this way.
    """
    if old is not None:
        before = old
    elif new["apiVersion"].startswith(f"{GATEWAY_API}/"):
        before = {}
    else:
        before = _EMPTY.get(new["kind"], {"spec": {}, "status": {}})
    try:
        entries = entries_of({"metadata": {"managedFields": given}} if given else before)
    except ValueError:  # invalid ones are ignored
        entries = entries_of(before)
    change = field_sets.compare(of, field_sets.ownable(before), field_sets.ownable(new))
    touched = change.added | change.modified
    key = (manager, "Update", subresource)
    for other in entries.values():
        other.fields -= change.removed
        other.fields -= touched
    if touched:
        mine = entries.get(key, Entry(set(), "", "")).fields
        entries[key] = Entry(mine | touched, new["apiVersion"], now())
    return written(entries)
