"""The ownership of fields: what promote must change so that fields that a manifest drops are really removed.

Server-side apply removes only what its own manager applied before. Containers and variables that `kubectl apply` or
Helm once wrote would stay forever, so their entries of `metadata.managedFields` are first handed to `canary`, as
`kubectl apply --server-side` itself does with those of client-side apply.
"""

import json
from copy import deepcopy
from typing import Any

from canary.objects import LAST_APPLIED, Object, annotations_of

FIELD_MANAGER = "canary"
LONGEST_ANNOTATIONS = 200_000
"""Bytes of last-applied configuration that are still written; the API server takes 262,144 for all annotations."""

_PREDECESSORS = frozenset({FIELD_MANAGER, "before-first-apply", "helm", "Helm", "kubectl"})
_PREDECESSOR_PREFIX = "kubectl-"


def take_over(obj: Object) -> list[Object] | None:
    """Return the JSON patch that makes `canary` own what kubectl, Helm or the task wrote, None if it does already.

    The patch carries the resourceVersion, so that a write in between makes it a conflict. It bumps no generation.
    """
    entries: list[Object] = deepcopy(obj["metadata"].get("managedFields") or [])
    taken = [entry for entry in entries if is_predecessor(entry)]
    if not taken:
        return None
    ours = next((entry for entry in entries if is_ours(entry)), None)
    fields: Object = {}
    for entry in [*taken, *([ours] if ours else [])]:
        fields = union(fields, entry.get("fieldsV1") or {})
    latest = ours or taken[-1]
    merged = {**latest, "manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}
    others = [entry for entry in entries if entry not in taken and entry is not ours]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [merged, *others]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": obj["metadata"]["resourceVersion"]},
    ]


def with_last_applied(obj: Object) -> Object:
    """Return the object with the annotation by which a later `kubectl apply` knows what to remove.

    Secrets are returned as they are (the annotation would repeat their values), and so is what is too large for it.
    """
    annotations = {key: value for key, value in annotations_of(obj).items() if key != LAST_APPLIED}
    bare = {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}
    text = json.dumps(bare, separators=(",", ":")) + "\n"
    if obj["kind"] == "Secret" or len(text.encode()) > LONGEST_ANNOTATIONS:
        return bare
    return {**bare, "metadata": {**bare["metadata"], "annotations": {**annotations, LAST_APPLIED: text}}}


def is_ours(entry: Object) -> bool:
    """Return whether an entry of managedFields says what `canary` has applied."""
    return entry["manager"] == FIELD_MANAGER and entry["operation"] == "Apply" and not entry.get("subresource")


def is_made_by_us(entry: Object) -> bool:
    """Return whether an entry of managedFields says what `canary` has created by POST."""
    return entry["manager"] == FIELD_MANAGER and entry["operation"] == "Update" and not entry.get("subresource")


def is_predecessor(entry: Object) -> bool:
    """Return whether an entry of managedFields is one that `take_over` makes ours."""
    manager: str = entry["manager"]
    known = manager in _PREDECESSORS or manager.startswith(_PREDECESSOR_PREFIX)
    return known and not entry.get("subresource") and not is_ours(entry)


def union(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of both, which are sets written as nested keys (`f:spec`, `k:{…}`, `.`)."""
    both = dict(left)
    for key, value in right.items():
        both[key] = union(both.get(key, {}), value)
    return both
