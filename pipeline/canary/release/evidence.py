"""Saves the evidence of a canary before it is deleted: logs, events, how its containers ended, counts and verdict.

Each canary gets a folder of its own, with plain text and JSON. The environment of pods is left out, because it may
contain secrets. All sizes are limited, and the summary says what is missing.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import TypeVar

from canary.errors import CanaryError, ForbiddenError, UnreachableError
from canary.events import Note
from canary.marks import Variant
from canary.objects import Object
from canary.observe.crashes import crashes
from canary.observe.deployments import Workload, images, pods_of, progress, replica_sets_of
from canary.observe.diagnosis import restarted
from canary.ports import World
from canary.release.recall import last_verdict
from canary.state.counts import read_json
from canary.times import timestamp
from canary.verdict.as_json import verdict_as_json
from canary.verdict.comparison import Decision, Verdict

LOG_LINES = 5_000
LOG_BYTES = 1_000_000
"""Maximum of each container, and the same of its run before the last restart."""

PODS = 20
"""Maximum number of canary pods whose logs are saved; pods with crashes come first."""

READING = 60.0
"""Maximum seconds for reading logs: a node that does not answer must not keep a bad canary running."""

T = TypeVar("T")


@dataclass
class _Case:
    """What is saved, and what is missing."""

    world: World
    found: Workload
    canary: Object
    reason: str
    at: float
    gaps: list[str] = field(default_factory=list)

    @property
    def variants(self) -> dict[Variant, Object]:
        """Return the Deployments that are about to be deleted."""
        return {variant: one for variant, one in self.found.variants.items() if variant is not Variant.STABLE}

    def read(self, what: str, look: Callable[[], T], otherwise: T) -> T:
        """Return what `look` returns; if it fails, note the gap and return `otherwise`."""
        try:
            return look()
        except UnreachableError:
            raise  # else the canary would be deleted without its evidence
        except CanaryError as error:
            self.gaps.append(f"{what}: {error}")
            return otherwise


def save_evidence(world: World, found: Workload, reason: str) -> str:
    """Save the evidence of a canary in a new folder, and return the folder; empty if nothing was saved.

    A failure is a warning only, so that it does not keep a bad canary running.

    Args:
        world: what to work with; its options say where to create the folder.
        found: the workload.
        reason: why it is rejected.
    """
    if not world.options.evidence or found.canary is None:
        return ""
    at = world.clock.now()
    folder = Path(world.options.evidence) / f"{found.name}-{re.sub('[-:]', '', timestamp(at))}"
    case = _Case(world, found, found.canary, reason, at)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # logs may be confidential
        for name, text in _files(case):
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        text = (
            f"the evidence of {found.name}-canary cannot be saved to {folder}: {error.strerror}. It is still rejected"
        )
        world.listen(Note(text, warning=True))
        return ""
    if case.gaps:
        world.listen(Note(f"{folder} is incomplete: {'; '.join(case.gaps)}", warning=True))
    return str(folder)


def _files(case: _Case) -> Iterator[tuple[str, str]]:
    """Yield name and content of each file, the summary last."""
    cluster = case.world.cluster
    pods: dict[Variant, list[Object]] = {
        variant: case.read(f"pods of {variant}", partial(pods_of, cluster, deployment), [])
        for variant, deployment in case.variants.items()
    }
    yield "pods.json", _json([_pod(variant, pod) for variant, found in pods.items() for pod in found])
    yield "events.txt", "".join(f"{line}\n" for line in _events(case, pods))
    yield from _logs(case, pods.get(Variant.CANARY, []))
    unknown = Verdict(Decision.UNDECIDED, (), "")
    verdict = case.read("verdict", partial(last_verdict, case.world, [case.found.name]), unknown)
    yield (
        "verdict.json",
        _json({"workload": case.found.name, "reason": case.reason, **verdict_as_json(verdict)}),
    )
    nothing: Object = {}
    yield (
        "samples.json",
        _json(case.read("samples", partial(read_json, case.world.cluster, case.found.name, case.canary), nothing)),
    )
    yield (
        "summary.txt",
        "".join(f"{line}\n" for line in _summary(case, pods, f"{verdict.decision}: {verdict.sentence}")),
    )


def _pod(variant: Variant, pod: Object) -> Object:
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    shown = ("name", "image", "imageID", "ready", "restartCount", "state", "lastState")
    return {
        "variant": str(variant),
        "name": pod["metadata"]["name"],
        "created": pod["metadata"].get("creationTimestamp"),
        "node": pod["spec"].get("nodeName"),
        **{key: status[key] for key in ("phase", "reason", "message", "conditions") if key in status},
        "containers": [{key: one[key] for key in shown if key in one} for one in containers],
    }


def _events(case: _Case, pods: Mapping[Variant, list[Object]]) -> list[str]:
    """Return the events about Deployments, ReplicaSets and pods, oldest first."""
    cluster = case.world.cluster
    objects: list[Object] = []
    for variant, deployment in case.variants.items():
        sets: list[Object] = case.read(f"ReplicaSets of {variant}", partial(replica_sets_of, cluster, deployment), [])
        objects += [deployment, *sets]
    for found in pods.values():
        objects += _worst_first(found)[:PODS]
    lines = []
    for obj in objects:
        try:
            events = cluster.events(obj)
        except UnreachableError:
            raise  # else the canary would be deleted without its evidence
        except CanaryError as error:
            case.gaps.append(f"events: {error}")
            break
        about = f"{obj['kind']} {obj['metadata']['name']}"
        for event in events:
            when = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
            times = f" (x{event['count']})" if (event.get("count") or 1) > 1 else ""
            message = " ".join(str(event.get("message") or "").split())
            lines.append(f"{when}  {event.get('type')}  {event.get('reason')}  {about}: {message}{times}")
    return sorted(lines)


def _logs(case: _Case, pods: list[Object]) -> Iterator[tuple[str, str]]:
    """Yield the logs of the canary's containers, and of their lives before."""
    chosen = _worst_first(pods)[:PODS]
    if len(chosen) < len(pods):
        case.gaps.append(f"logs of {len(pods) - len(chosen)} more pods")
    until = case.world.patient_now() + READING
    for pod in chosen:
        name = pod["metadata"]["name"]
        containers = [one["name"] for one in [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]]
        try:
            for container, previous in product(containers, (False, True)):
                if case.world.patient_now() > until:
                    case.gaps.append(f"logs of {name} and later pods: reading took more than {READING:g} s")
                    return
                if text := _log(case, name, container, previous=previous):
                    yield f"{name}.{container}{'.previous' if previous else ''}.log", text
        except UnreachableError:
            raise  # else the canary would be deleted without its evidence
        except CanaryError as error:
            case.gaps.append(f"logs of {name}: {error}")
            if isinstance(error, ForbiddenError):  # the other pods' logs are forbidden, too
                return


def _log(case: _Case, pod: str, container: str, *, previous: bool) -> str:
    text = case.world.cluster.log(pod, container, tail=LOG_LINES, previous=previous)
    return text.encode()[-LOG_BYTES:].decode(errors="ignore")


def _summary(case: _Case, pods: Mapping[Variant, list[Object]], verdict: str) -> Iterator[str]:
    yield f"The canary of {case.found.name} was rejected at {timestamp(case.at)}"
    yield f"  namespace  {case.world.cluster.namespace}"
    yield f"  reason     {case.reason}"
    yield f"  verdict    {verdict}"
    for variant, deployment in case.found.variants.items():
        state = progress(deployment)
        yield f"  {variant:<9}  {', '.join(images(deployment))}, {state.ready} of {state.desired} pods ready"
    died = [(variant, one) for variant, found in pods.items() for one in crashes(found)]
    yield "Containers that died" if died else "No container died"
    for variant, one in died:
        where = f"{one.pod['metadata']['name']} {one.container}".strip()
        yield f"  {variant}: {where}: {one.reason}{restarted(one.restarts)}"
    yield "Files"
    yield "  verdict.json  the verdict with its numbers"
    yield "  samples.json  the counts, up to the last look"
    yield "  pods.json     states, restarts, exit codes, image IDs and nodes of the pods"
    yield "  events.txt    Kubernetes Events about them"
    yield f"  *.log         the last {LOG_LINES:,} lines (at most {LOG_BYTES:,} bytes) of each container of the canary"
    if case.gaps:
        yield "Missing"
        yield from (f"  {gap}" for gap in case.gaps)


def _worst_first(pods: list[Object]) -> list[Object]:
    died = {one.pod["metadata"]["uid"] for one in crashes(pods)}
    return sorted(pods, key=lambda pod: (pod["metadata"]["uid"] not in died, pod["metadata"]["name"]))


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
