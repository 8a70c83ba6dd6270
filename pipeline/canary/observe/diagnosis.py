"""Why a Deployment is not ready, in a sentence that names the pod and the reason."""

import math
from collections.abc import Callable, Iterable
from functools import partial

from canary.errors import ForbiddenError, NotAnsweringError
from canary.objects import Object
from canary.observe.deployments import condition_of, pods_of
from canary.ports import Cluster

STARTING = ("ContainerCreating", "PodInitializing")
LOG_LINES = 3
IMAGE_PULL = ("ErrImagePull", "ImagePullBackOff")
PULLING = "Pulling"
UNHEALTHY = "Unhealthy"
LISTEN = "does the app listen on that port of the pod's address, and not only on 127.0.0.1?"
FAILED_PROBES = 3
"""Containers that start normally may have fewer."""

STUCK_AFTER = 5.0
"""Seconds without a change after which a pod that is not ready counts as stuck. Its Events are read as often."""

STUCK_PODS = 3
"""Maximum number of pods of a Deployment whose Events are read at one look: most stuck pods have the same reason."""


class Diagnosis:
    """Says at each look what holds up Deployments.

    A look takes few requests: Events are only read for a few of the stuck pods, and not at every look.
    """

    def __init__(self, cluster: Cluster, now: Callable[[], float], *, stuck_after: float = STUCK_AFTER) -> None:
        """Start without any pod.

        Args:
            cluster: the Kubernetes API.
            now: returns Unix seconds.
            stuck_after: seconds without a change after which a pod that is not ready counts as stuck.
        """
        self._cluster = cluster
        self._now = now
        self._stuck_after = stuck_after
        self._unchanged: dict[str, tuple[str, float]] = {}
        self._events: dict[str, tuple[float, str]] = {}

    def why_not_ready(self, deployment: Object, pods: Iterable[Object]) -> str:
        """Return what holds up a Deployment with these pods, empty if that is not known.

        It may be a pod that the cluster does not admit (quota, pod security), that fits on no node, whose image cannot
        be pulled, or that crashes (with its last log lines). Of a stuck pod, it may also be a volume that cannot be
        mounted, or a probe that fails.
        """
        failure = condition_of(deployment, "ReplicaFailure")
        if failure.get("status") == "True":
            return f"no pod can be created: {failure.get('message') or failure.get('reason')}"
        unready = [pod for pod in pods if condition_of(pod, "Ready").get("status") != "True"]
        stuck = [pod for pod in unready if self._is_stuck(pod)][:STUCK_PODS]
        for pod in sorted(unready, key=_has_failed):  # failed pods are replaced, so the others come first
            if trouble := _trouble(pod, partial(last_words, self._cluster, pod)):
                return f"Pod {pod['metadata']['name']}: {trouble}"
        for pod in stuck:
            if event := self._last_event(pod):
                return f"Pod {pod['metadata']['name']}: {event}"
        progressing = condition_of(deployment, "Progressing")
        if progressing.get("reason") == "ProgressDeadlineExceeded":
            return str(progressing.get("message") or "no progress within progressDeadlineSeconds")
        return ""

    def _is_stuck(self, pod: Object) -> bool:
        """Return whether a pod has not changed for a while, by the clock of this machine."""
        uid, version, now = pod["metadata"]["uid"], pod["metadata"].get("resourceVersion", ""), self._now()
        known, since = self._unchanged.get(uid, (version, now))
        self._unchanged[uid] = version, (since if known == version else now)
        return now - self._unchanged[uid][1] >= self._stuck_after

    def _last_event(self, pod: Object) -> str:
        uid, now = pod["metadata"]["uid"], self._now()
        read, event = self._events.get(uid, (-math.inf, ""))
        if now - read >= self._stuck_after:
            event = _last_event(self._cluster, pod)
            self._events[uid] = now, event
        return event


def why_not_ready(cluster: Cluster, deployment: Object, pods: Iterable[Object] | None = None) -> str:
    """Return what holds up a Deployment, from a single look: each pod that is not ready counts as stuck.

    Args:
        cluster: the Kubernetes API.
        deployment: as the API server has it.
        pods: its pods; by default they are listed.
    """
    diagnosis = Diagnosis(cluster, lambda: 0.0, stuck_after=0.0)
    return diagnosis.why_not_ready(deployment, pods_of(cluster, deployment) if pods is None else pods)


def gist(reason: str) -> str:
    """Return the part of a reason that stays the same: a failing image pull alternates between two reasons."""
    return IMAGE_PULL[0] if any(one in reason for one in IMAGE_PULL) else reason


def ending(terminated: Object) -> str:
    """Return how a container ended, such as `OOMKilled (exit code 137)`."""
    reason, code = terminated.get("reason") or "ended", terminated.get("exitCode")
    signal = f", signal {terminated['signal']}" if terminated.get("signal") else ""
    return f"{reason} (exit code {code}{signal})"


def restarted(times: int) -> str:
    """Return how often a container was restarted, as a part of a sentence; empty if it was not."""
    return {0: "", 1: ", restarted once"}.get(times, f", restarted {times} times")


def failure(pod: Object) -> str:
    """Return why a pod failed as a whole: reason and message, as `Evicted: The node was low on resource: memory`."""
    status = pod.get("status") or {}
    why = (str(part).strip() for part in (status.get("reason"), status.get("message")) if part)
    return ": ".join(why) or "Failed"


def last_words(cluster: Cluster, pod: Object, container: str) -> str:
    """Return the last lines that a container logged before it ended, as the end of a sentence; empty without any.

    If the log may not be read, or the node does not answer, they are left out.
    """
    name = pod["metadata"]["name"]
    try:
        log = cluster.log(name, container, tail=LOG_LINES, previous=True) or cluster.log(
            name, container, tail=LOG_LINES
        )
    except (ForbiddenError, NotAnsweringError):
        return ""
    lines = [line.strip() for line in log.splitlines() if line.strip()][-LOG_LINES:]
    return f"; its last lines: {' | '.join(lines)}" if lines else ""


def trouble_of(pod: Object) -> str:
    """Return what holds up a pod by its own status, empty if nothing does or that is not known."""
    if condition_of(pod, "Ready").get("status") == "True":
        return ""
    return _trouble(pod, lambda _: "")


def _has_failed(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") == "Failed"


def _trouble(pod: Object, words: Callable[[str], str]) -> str:
    """Return what holds up a pod; `words` returns what a container last logged, as the end of a sentence."""
    status = pod.get("status") or {}
    if _has_failed(pod):
        return failure(pod)
    scheduled = condition_of(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"{scheduled.get('reason')}: {scheduled.get('message')}"
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    for container in containers:
        if trouble := _container_trouble(container, words):
            return trouble
    return ""


def _container_trouble(container: Object, words: Callable[[str], str]) -> str:
    state = container.get("state") or {}
    waiting, name = state.get("waiting") or {}, container["name"]
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    crashed = bool(ended.get("exitCode")) and not container.get("ready")
    if crashed and (waiting.get("reason") == "CrashLoopBackOff" or not waiting):
        restarts = container.get("restartCount") or 0
        label = "CrashLoopBackOff: " if waiting else ""
        return f"{label}container {name} {ending(ended)}{restarted(restarts)}{words(name)}"
    if waiting and waiting.get("reason") not in STARTING:
        message = waiting.get("message") or ""
        return f"{waiting.get('reason')}: container {name}" + (f": {message}" if message else "")
    return ""


def _last_event(cluster: Cluster, pod: Object) -> str:
    """Return the last warning about a pod (such as a volume that cannot be mounted, or a failing probe), or its pull.

    Return an empty text if the account may not read Events.
    """
    try:
        events = cluster.events(pod)
    except ForbiddenError:
        return ""
    warnings = [event for event in events if event.get("type") == "Warning"]
    probes = sum(event.get("count") or 1 for event in warnings if event.get("reason") == UNHEALTHY)
    if probes < FAILED_PROBES:
        warnings = [event for event in warnings if event.get("reason") != UNHEALTHY]
    pulling = [event for event in events[-1:] if event.get("reason") == PULLING]
    if not (warnings or pulling):
        return ""
    last = (warnings or pulling)[-1]
    text = f"{last.get('reason')}: {str(last.get('message') or '').strip()}"
    return f"{text} ({LISTEN})" if last.get("reason") == UNHEALTHY and "connection refused" in text else text
