"""The status of a pod: phase, conditions and the statuses of its containers."""

from collections.abc import Sequence

from localcluster.apimachinery.conditions import set_condition
from localcluster.apimachinery.objects import Object
from localcluster.kubelet.container_status import ContainerStatus

REASON_OVER = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}


def pod_status(
    pod: Object,
    inits: Sequence[ContainerStatus],
    containers: Sequence[ContainerStatus],
    *,
    host: str,
    address: str,
    since: str,
    is_ending: bool,
) -> Object:
    """Return the new status of a pod; `address` is empty until its volumes exist."""
    old = pod.get("status", {})
    status: Object = {
        **old,
        "observedGeneration": pod["metadata"]["generation"],
        "phase": phase(pod["spec"].get("restartPolicy", "Always"), inits, containers, is_ending=is_ending),
        "conditions": [dict(c) for c in old.get("conditions") or []],
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "startTime": old.get("startTime", since),
        "containerStatuses": [c.to_json() for c in containers],
    }
    if address:
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    if inits:
        status["initContainerStatuses"] = [c.to_json() for c in inits]
    _set_conditions(status, inits, containers, has_volumes=bool(address))
    return status


def phase(
    policy: str, inits: Sequence[ContainerStatus], containers: Sequence[ContainerStatus], *, is_ending: bool
) -> str:
    """Return the phase, by the rules of the kubelet's getPhase."""
    for init in inits:
        if init.exit_code != 0:
            return "Failed" if init.exit_code and policy == "Never" else "Pending"
    if any(c.waiting_reason and not c.last_state for c in containers):
        return "Pending"
    codes = [c.exit_code for c in containers if c.exit_code is not None]
    if len(codes) < len(containers) or (policy == "Always" and not is_ending):
        return "Running"
    if any(codes):
        return "Failed" if policy == "Never" or is_ending else "Running"
    return "Succeeded"


def _set_conditions(
    status: Object, inits: Sequence[ContainerStatus], containers: Sequence[ContainerStatus], *, has_volumes: bool
) -> None:
    def tell(kind: str, *, holds: bool, reason: str = "", message: str = "") -> None:
        new: Object = {"type": kind, "status": str(holds), "lastProbeTime": None}
        new["observedGeneration"] = status["observedGeneration"]
        set_condition(status["conditions"], new | {k: v for k, v in (("reason", reason), ("message", message)) if v})

    over = REASON_OVER.get(status["phase"], "")
    tell("PodReadyToStartContainers", holds=has_volumes and not over)
    if unfinished := [c.name for c in inits if c.exit_code != 0]:
        message = f"containers with incomplete status: [{' '.join(unfinished)}]"
        tell("Initialized", holds=False, reason="ContainersNotInitialized", message=message)
    else:
        tell("Initialized", holds=True, reason="PodCompleted" if over == "PodCompleted" else "")
    unready = [c.name for c in containers if not c.ready]
    for kind in ("Ready", "ContainersReady"):
        if over or not unready:
            tell(kind, holds=not over, reason=over)
        else:
            message = f"containers with unready status: [{' '.join(unready)}]"
            tell(kind, holds=False, reason="ContainersNotReady", message=message)
