"""The ReplicaSet controller, after Kubernetes' pkg/controller/replicaset."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from localcluster.apimachinery.conditions import condition, is_true
from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.objects import Object, now
from localcluster.apimachinery.resources import POD, REPLICA_SET
from localcluster.controllers.controller import MANAGER, Controller, Key, is_over, key_of, owned, owner_reference
from localcluster.storage.store import Change

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


class ReplicaSets(Controller):
    """Keeps the number of pods that a ReplicaSet asks for."""

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Return the changed ReplicaSet, the owner of a pod, or the ReplicaSets that can adopt a pod."""
        return self.keys_of_owners(change, REPLICA_SET, POD)

    def sync(self, key: Key) -> float | None:
        """Create or delete pods, then write the status."""
        rs = self.store.find(REPLICA_SET, *key)
        if rs is None:
            return None
        pods = [pod for pod in owned(self, rs, POD) if not is_over(pod)]
        active = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        failure = None
        if "deletionTimestamp" not in rs["metadata"]:
            failure = self._manage(rs, active)
        pods = [self.store.peek(POD, *key_of(pod)) or pod for pod in pods]
        wait = self._write_status(rs, pods, failure)
        return 5.0 if failure else wait

    def _manage(self, rs: Object, active: list[Object]) -> str | None:
        """Create missing pods, delete surplus ones; returns why a pod could not be created."""
        missing = rs["spec"]["replicas"] - len(active)
        for _ in range(missing):
            try:
                pod = self.registry.create(POD, _new_pod(rs), manager=MANAGER)
            except ApiError as error:
                self.recorder.warning(rs, "FailedCreate", f"Error creating: {error.message}")
                return error.message
            self.recorder.normal(rs, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
        for pod in sorted(active, key=deletion_rank)[:-missing] if missing < 0 else []:
            self.registry.delete(POD, *key_of(pod))
            self.recorder.normal(rs, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        return None

    def _write_status(self, rs: Object, pods: list[Object], failure: str | None) -> float | None:
        """Write the status; returns the seconds until the next pod has been ready for minReadySeconds."""
        living = [p for p in pods if "deletionTimestamp" not in p["metadata"]]
        ready = [p for p in living if is_true(p, "Ready")]
        waits = [available_in(p, rs["spec"].get("minReadySeconds") or 0) for p in ready]
        labels = rs["spec"]["template"]["metadata"].get("labels") or {}
        status: dict[str, Any] = {
            "replicas": len(living),
            "fullyLabeledReplicas": sum(labels.items() <= (p["metadata"].get("labels") or {}).items() for p in living),
            "readyReplicas": len(ready),
            "availableReplicas": sum(wait <= 0 for wait in waits),
            "observedGeneration": rs["metadata"]["generation"],
        }
        status = {k: v for k, v in status.items() if v or k in ("replicas", "observedGeneration")}
        status["terminatingReplicas"] = len(pods) - len(living)
        if failure:
            old = condition(rs, "ReplicaFailure")
            new = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": failure}
            status["conditions"] = [{**new, "lastTransitionTime": old["lastTransitionTime"] if old else now()}]
        if status != rs.get("status"):
            self.registry.update(REPLICA_SET, {**rs, "status": status}, manager=MANAGER, subresource="status")
        return min((wait for wait in waits if wait > 0), default=None)


def _new_pod(rs: Object) -> Object:
    template = rs["spec"]["template"]
    meta = {k: dict(v) for k, v in template["metadata"].items() if k in ("labels", "annotations") and v}
    name = rs["metadata"]["name"] + "-"
    owners = [owner_reference(rs)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": name, "namespace": rs["metadata"]["namespace"], "ownerReferences": owners, **meta},
        "spec": template["spec"],
    }


def available_in(pod: Object, seconds: int) -> float:
    """Return the seconds until a ready pod has been ready for so long; 0 or less if it already has."""
    if not seconds:
        return 0.0
    ready = condition(pod, "Ready")
    since = datetime.fromisoformat(ready["lastTransitionTime"]) if ready else datetime.now(UTC)
    return seconds - (datetime.now(UTC) - since).total_seconds()


def deletion_rank(pod: Object) -> tuple[Any, ...]:
    """Return the sort key for deletion: the least useful pods first (Kubernetes' ActivePodsWithRanks)."""
    ready = condition(pod, "Ready")
    is_ready = ready is not None and ready["status"] == "True"
    restarts = max((c["restartCount"] for c in pod.get("status", {}).get("containerStatuses") or []), default=0)
    return (
        bool(pod["spec"].get("nodeName")),
        {"Pending": 0, "Unknown": 1}.get(pod.get("status", {}).get("phase", "Pending"), 2),
        is_ready,
        int((pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")),
        -_seconds(ready["lastTransitionTime"]) if ready is not None and is_ready else 0,
        -restarts,
        -_seconds(pod["metadata"]["creationTimestamp"]),
    )


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
