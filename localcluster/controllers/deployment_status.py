"""The status of a Deployment: counts, and conditions with the reasons that Kubernetes uses."""

from datetime import UTC, datetime
from typing import Any

from localcluster.apimachinery.conditions import condition
from localcluster.apimachinery.objects import Object, now

COUNTS = ("replicas", "readyReplicas", "availableReplicas")
NO_DEADLINE = 2**31 - 1  # the progressDeadlineSeconds that Kubernetes takes as no deadline


def rollout_status(
    deployment: Object, sets: list[Object], new: Object | None, max_unavailable: int, *, progressing: bool
) -> tuple[Object, float | None]:
    """Return the new status, and the seconds until the progress deadline must be checked again.

    If progressing is False (paused, or only scaled), the condition Progressing does not change.
    """
    old = deployment.get("status", {})
    status = _counts(deployment, sets, new)
    conditions = [dict(c) for c in old.get("conditions") or []]
    wanted = deployment["spec"]["replicas"]
    if status.get("availableReplicas", 0) >= wanted - max_unavailable:
        _set(conditions, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        message = "Deployment does not have minimum availability."
        _set(conditions, "Available", "False", "MinimumReplicasUnavailable", message)
    wait = _set_progress(conditions, deployment, status, new) if progressing else None
    failure = next((c for s in [new, *sets] if s for c in [condition(s, "ReplicaFailure")] if c), None)
    if failure is not None:
        _set(conditions, "ReplicaFailure", failure["status"], failure["reason"], failure["message"])
    else:
        conditions = [c for c in conditions if c["type"] != "ReplicaFailure"]
    return {**status, "conditions": conditions}, wait


def paused_condition(deployment: Object) -> Object | None:
    """Return the status with a Progressing condition that says paused or resumed, or None if nothing has changed."""
    deadline = deployment["spec"].get("progressDeadlineSeconds", NO_DEADLINE)
    old = condition(deployment, "Progressing")
    reason = old["reason"] if old else ""
    paused = bool(deployment["spec"].get("paused"))
    if deadline == NO_DEADLINE or reason == "ProgressDeadlineExceeded" or paused == (reason == "DeploymentPaused"):
        return None
    conditions = [dict(c) for c in deployment.get("status", {}).get("conditions") or []]
    word = "paused" if paused else "resumed"
    _set(conditions, "Progressing", "Unknown", f"Deployment{word.capitalize()}", f"Deployment is {word}")
    return {**deployment.get("status", {}), "conditions": conditions}


def created_condition(deployment: Object, name: str) -> Object:
    """Return the status after the new ReplicaSet was created. The progress deadline counts from here."""
    conditions = [dict(c) for c in deployment.get("status", {}).get("conditions") or []]
    if deployment["spec"].get("progressDeadlineSeconds", NO_DEADLINE) != NO_DEADLINE:
        _set(conditions, "Progressing", "True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
    return {**deployment.get("status", {}), "conditions": conditions}


def _counts(deployment: Object, sets: list[Object], new: Object | None) -> Object:
    total = {k: sum(s.get("status", {}).get(k, 0) for s in sets) for k in (*COUNTS, "terminatingReplicas")}
    status: dict[str, Any] = {k: total[k] for k in COUNTS}
    status["updatedReplicas"] = new.get("status", {}).get("replicas", 0) if new else 0
    status["unavailableReplicas"] = max(0, sum(s["spec"]["replicas"] for s in sets) - total["availableReplicas"])
    collisions = deployment.get("status", {}).get("collisionCount")
    status = {k: v for k, v in {**status, "collisionCount": collisions}.items() if v}
    status["observedGeneration"] = deployment["metadata"]["generation"]
    return {**status, "terminatingReplicas": total["terminatingReplicas"]}


def _set_progress(
    conditions: list[dict[str, Any]], deployment: Object, status: Object, new: Object | None
) -> float | None:
    deadline = int(deployment["spec"].get("progressDeadlineSeconds", NO_DEADLINE))
    current = next((c for c in conditions if c["type"] == "Progressing"), None)
    if deadline == NO_DEADLINE:
        conditions[:] = [c for c in conditions if c["type"] != "Progressing"]
        return None
    wanted, updated = deployment["spec"]["replicas"], status.get("updatedReplicas", 0)
    done = current is not None and current["reason"] == "NewReplicaSetAvailable"
    if done and status.get("replicas", 0) == updated:
        return None
    what = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    old = deployment.get("status", {})
    if wanted == updated == status.get("replicas", 0) == status.get("availableReplicas", 0):
        _set(conditions, "Progressing", "True", "NewReplicaSetAvailable", f"{what} has successfully progressed.")
        return None
    if current is None and new is not None:
        message = f'Found new replica set "{new["metadata"]["name"]}"'
        _set(conditions, "Progressing", "True", "FoundNewReplicaSet", message)
    elif _has_moved(old, status):
        _set(conditions, "Progressing", "True", "ReplicaSetUpdated", f"{what} is progressing.", anew=True)
    elif current is not None and not done:
        left = deadline - (datetime.now(UTC) - datetime.fromisoformat(current["lastUpdateTime"])).total_seconds()
        if left > 0:
            return float(left + 1)
        _set(conditions, "Progressing", "False", "ProgressDeadlineExceeded", f"{what} has timed out progressing.")
        return None
    return float(deadline) + 1


def _has_moved(old: Object, status: Object) -> bool:
    def stale(s: Object) -> int:
        return int(s.get("replicas", 0)) - int(s.get("updatedReplicas", 0))

    grown = any(status.get(k, 0) > old.get(k, 0) for k in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    return grown or stale(status) < stale(old)


def _set(
    conditions: list[dict[str, Any]], kind: str, status: str, reason: str, message: str, *, anew: bool = False
) -> None:
    """Set a condition. The same status and reason change nothing, unless `anew` restarts the progress deadline."""
    old = next((c for c in conditions if c["type"] == kind), None)
    if old is not None and (old["status"], old["reason"]) == (status, reason) and not anew:
        return
    moved = old["lastTransitionTime"] if old is not None and old["status"] == status else now()
    fresh = {"type": kind, "status": status, "reason": reason, "message": message}
    fresh |= {"lastUpdateTime": now(), "lastTransitionTime": moved}
    conditions[:] = [*(c for c in conditions if c is not old), fresh]  # the newest last, as in Kubernetes
