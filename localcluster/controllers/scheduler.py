"""The scheduler: assigns pods to the one node, or says why they do not fit."""

from collections.abc import Iterable
from decimal import Decimal

from localcluster.apimachinery.conditions import set_condition
from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.quantity import amount
from localcluster.apimachinery.resources import NODE, POD
from localcluster.apimachinery.selectors import matches
from localcluster.controllers.controller import Controller, Key, is_over, key_of
from localcluster.storage.store import Change


class Scheduler(Controller):
    """Binds pods to the node. A pod that does not fit waits until another pod is deleted."""

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Return a pod without a node, or all pods without a node when another pod was deleted."""
        if change.resource != POD:
            return []
        if change.type == "DELETED":
            return [key_of(p) for p in self.store.peek_all(POD) if not p["spec"].get("nodeName")]
        return [] if change.object["spec"].get("nodeName") else [key_of(change.object)]

    def sync(self, key: Key) -> float | None:
        """Bind a pod, or say in an Event why it does not fit."""
        pod = self.store.find(POD, *key)
        if pod is None or pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
            return None
        node = next(self.store.peek_all(NODE))
        node_name, why = node["metadata"]["name"], self._objection(pod, node)
        status = {**pod.get("status", {}), "phase": "Pending"}
        conditions = [dict(c) for c in status.get("conditions") or []]
        scheduled = {"type": "PodScheduled", "status": "False" if why else "True", "lastProbeTime": None}
        if why:
            message = f"0/1 nodes are available: {why}."
            scheduled |= {"reason": "Unschedulable", "message": message}
            self.recorder.warning(pod, "FailedScheduling", message)
        else:
            pod["spec"]["nodeName"] = node_name
            name = f"{key[0]}/{key[1]}"
            self.recorder.normal(pod, "Scheduled", f"Successfully assigned {name} to {node_name}")
        set_condition(conditions, {**scheduled, "observedGeneration": pod["metadata"]["generation"]})
        self.store.update(POD, {**pod, "status": {**status, "conditions": conditions}}, new_generation=False)
        return None

    def _objection(self, pod: Object, node: Object) -> str | None:
        labels = node["metadata"]["labels"]
        if not (pod["spec"].get("nodeSelector") or {}).items() <= labels.items():
            return "1 node(s) didn't match Pod's node affinity/selector"
        others = [p for p in self.store.peek_all(POD) if p["spec"].get("nodeName") and not is_over(p)]
        if len(others) >= int(node["status"]["allocatable"]["pods"]):
            return "1 Too many pods"
        for resource in ("cpu", "memory"):
            if not _request(pod, resource):
                continue
            wanted = sum(_request(p, resource) for p in [pod, *others])
            if wanted > amount(node["status"]["allocatable"][resource]):
                return f"1 Insufficient {resource}"
        rules = ((pod["spec"].get("affinity") or {}).get("podAntiAffinity") or {}).get(
            "requiredDuringSchedulingIgnoredDuringExecution"
        )
        for rule in rules or []:
            for other in others:
                near = other["metadata"]["namespace"] in (rule.get("namespaces") or [pod["metadata"]["namespace"]])
                if near and matches(rule.get("labelSelector") or {}, other["metadata"].get("labels") or {}):
                    return "1 node(s) didn't match pod anti-affinity rules"
        return None


def _request(pod: Object, resource: str) -> Decimal:
    requests = [(c.get("resources") or {}).get("requests") or {} for c in pod["spec"]["containers"]]
    return sum((amount(str(r.get(resource, "0"))) for r in requests), Decimal(0))
