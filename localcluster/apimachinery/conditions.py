"""The conditions of a status, such as `Ready`."""

from typing import Any

from localcluster.apimachinery.objects import Object, now


def condition(obj: Object, kind: str) -> dict[str, Any] | None:
    """Return a status condition, or None."""
    return next((c for c in obj.get("status", {}).get("conditions") or [] if c["type"] == kind), None)


def is_true(obj: Object, kind: str) -> bool:
    """Return whether a status condition exists and is true."""
    found = condition(obj, kind)
    return found is not None and found["status"] == "True"


def set_condition(conditions: list[dict[str, Any]], new: dict[str, Any]) -> None:
    """Set a condition. lastTransitionTime changes only with the condition's status."""
    old = next((c for c in conditions if c["type"] == new["type"]), None)
    if old is None:
        conditions.append({**new, "lastTransitionTime": now()})
        return
    moved = now() if old["status"] != new["status"] else old["lastTransitionTime"]
    if moved != old["lastTransitionTime"] or {k: old.get(k) for k in new} != new:
        conditions[conditions.index(old)] = {**new, "lastTransitionTime": moved}
