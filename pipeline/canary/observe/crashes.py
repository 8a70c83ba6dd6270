"""Containers that died. Answers since the last scrape die with a process, so that counts alone let a crash go by."""

from collections.abc import Iterable
from dataclasses import dataclass

from canary.events import Note
from canary.marks import Variant
from canary.objects import DEPLOYMENT, Kind, Object
from canary.observe.deployments import condition_of, pods_of
from canary.observe.diagnosis import ending, failure, last_words, restarted
from canary.observe.disruption import is_disrupted, is_evicted
from canary.observe.observation import Observation
from canary.ports import Cluster, World


@dataclass(frozen=True)
class Crash:
    """A container that ended, or a pod that was evicted.

    Attributes:
        pod: the pod, as the API server has it.
        container: its name, empty where the whole pod failed.
        restarts: how often it was started again.
        reason: how it ended.
    """

    pod: Object
    container: str
    restarts: int
    reason: str


def crashes(pods: Iterable[Object]) -> list[Crash]:
    """Return what died among the pods of a variant: they are as old as the release, so that every restart counts."""
    found = []
    for pod in pods:
        status = pod.get("status") or {}
        if status.get("phase") == "Failed":
            found.append(Crash(pod, "", 0, failure(pod)))
            continue
        # An init container ends by itself, and is one that died only where it was started again; as sidecars are.
        starting = [one for one in status.get("initContainerStatuses") or [] if one.get("restartCount")]
        for container in [*(status.get("containerStatuses") or []), *starting]:
            now = (container.get("state") or {}).get("terminated")
            before = (container.get("lastState") or {}).get("terminated")
            restarts = container.get("restartCount") or 0
            if restarts or now:
                ended = now or before
                found.append(Crash(pod, container["name"], restarts, ending(ended) if ended else "ended"))
    return found


def warn_of_crashed(world: World, unchanged: Object) -> None:
    """Say how to replace crashed pods of a Deployment that an apply has left as it was; ready pods have come back."""
    if Kind.of(unchanged) != DEPLOYMENT:
        return
    name = unchanged["metadata"]["name"]
    live = world.cluster.get(DEPLOYMENT, name)
    pods = pods_of(world.cluster, live) if live is not None else []
    found = crashes(pod for pod in pods if condition_of(pod, "Ready").get("status") != "True")
    if found:
        why = f"(pod {found[0].pod['metadata']['name']}: {found[0].reason})"
        command = f"kubectl rollout restart deployment/{name} -n {world.cluster.namespace}"
        advice = f"If you built the image again under the same tag, start new pods: {command}"
        text = f"Deployment {name} is unchanged, so its crashed pods stay as they are {why}. {advice}"
        world.listen(Note(text, warning=True))


def canary_crashes(cluster: Cluster, scene: Observation) -> str:
    """Return what died in a canary where nothing died in its baseline, for a person; empty if nothing did.

    What the cluster ended does not count. Evictions under node pressure do from the second on, where the baseline had
    none: nodes evict first the pods that use more than they asked for.
    """
    for name in (found.name for found in scene.workloads):
        canary, baseline = (scene.pods.get((name, variant), ()) for variant in (Variant.CANARY, Variant.BASELINE))
        compared = name in scene.compared
        died = _of_the_app(canary)
        if died and not _of_the_app(baseline):
            return _sentence(cluster, died[0], compared=compared)
        evicted = [pod for pod in canary if is_evicted(pod)]
        if len(evicted) > 1 and not any(map(is_evicted, baseline)):
            unlike = ", none of the baseline's did" if compared else ""
            return f"{len(evicted)} pods of {name}-canary failed{unlike}; the last: {failure(evicted[-1])}"
    return ""


def _of_the_app(pods: Iterable[Object]) -> list[Crash]:
    return crashes(pod for pod in pods if not is_disrupted(pod))


def _sentence(cluster: Cluster, crash: Crash, *, compared: bool) -> str:
    name, unlike = crash.pod["metadata"]["name"], ", none of the baseline's did" if compared else ""
    if not crash.container:
        return f"pod {name} failed: {crash.reason}{unlike}"
    words = last_words(cluster, crash.pod, crash.container)
    return f"container {crash.container} of pod {name} died{restarted(crash.restarts)}: {crash.reason}{unlike}{words}"
