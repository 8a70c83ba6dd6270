"""Pods that the cluster ended or did not admit: no fault of the version, so the verdict waits for their replacements.

The reasons are those that the kubelet writes into a pod's status. What no node would admit because of the pod template
itself (a forbidden sysctl, an AppArmor profile) is not among them.
"""

from canary.marks import Variant
from canary.objects import Object
from canary.observe.deployments import condition_of, ready_since
from canary.observe.diagnosis import failure
from canary.observe.observation import Observation
from canary.variants.sizes import replicas

EVICTED = "Evicted"
ENDED = frozenset({"Preempting", "Terminated", "Shutdown", "NodeLost"})
"""A critical pod needed the place, the node shut down (`Terminated`, `Shutdown` in Kubernetes 1.21) or was lost."""

NOT_ADMITTED = frozenset(
    {
        "InvalidNodeInfo",
        "NodeAffinity",
        "NodeName",
        "NodePorts",
        "NodeShutdown",
        "TaintToleration",
        "TopologyAffinityError",
        "UnexpectedAdmissionError",
        "UnexpectedPredicateFailureType",
        "UnknownReason",
    }
)
OUT_OF = "OutOf"
"""Begins what a kubelet says that has no room: `OutOfcpu`, `OutOfmemory`, `OutOfpods`."""

BY_THE_NODE = "The node "
"""Begins why a kubelet evicts under node pressure. A pod that exceeds its own storage limits is evicted as well."""


def is_evicted(pod: Object) -> bool:
    """Return whether a node under pressure (memory, disk, process IDs) evicted a pod."""
    status = pod.get("status") or {}
    return (
        status.get("phase") == "Failed"
        and status.get("reason") == EVICTED
        and str(status.get("message")).startswith(BY_THE_NODE)
    )


def is_disrupted(pod: Object) -> bool:
    """Return whether the cluster ended a pod, or did not admit it."""
    status = pod.get("status") or {}
    reason = status.get("reason") or ""
    if status.get("phase") != "Failed" or reason == EVICTED:
        return is_evicted(pod)
    if condition_of(pod, "DisruptionTarget").get("status") == "True":
        return True
    return reason in ENDED | NOT_ADMITTED or reason.startswith(OUT_OF)


class Disruptions:
    """Which of the pods that the cluster ended have been replaced."""

    def __init__(self) -> None:
        self._replaced: set[str] = set()

    def waiting_for(self, scene: Observation) -> str:
        """Return what the verdict waits for, for a person; empty if every such pod has been replaced."""
        for name, variant, deployment in scene.variants(Variant.CANARY, Variant.BASELINE):
            pods = scene.pods[name, variant]
            ended = {pod["metadata"]["uid"]: pod for pod in pods if is_disrupted(pod)}
            ready = [pod for pod in pods if pod["metadata"]["uid"] not in ended and ready_since(pod) is not None]
            if len(ready) >= replicas(deployment):
                self._replaced |= set(ended)
            for uid in ended.keys() - self._replaced:
                return _sentence(ended[uid])
        return ""


def _sentence(pod: Object) -> str:
    name = pod["metadata"]["name"]
    return f"the cluster ended pod {name} ({failure(pod)}), not the version's fault: waiting for a replacement"
