"""Waits until the variants of a workload answer no more requests, so that they can be deleted."""

from canary.errors import CanaryError
from canary.events import Note
from canary.marks import COMPARED
from canary.observe.deployments import Workload
from canary.observe.observation import observe, pods_to_sample
from canary.ports import World

QUIET = 20.0
"""Most seconds to wait until variants count no more requests, after the controller has seen the route."""

LAG = 5.0
"""Seconds within which a controller acts on a route that it has seen."""

_BETWEEN_COUNTS = 1.0  # seconds


def wait_until_quiet(world: World, workload: Workload) -> None:
    """Wait until canary and baseline count no more requests: a controller may have seen a route, and act later.

    The counts of a pod must stay the same for `LAG` seconds. Where they cannot be read, the wait is as long.
    """
    since: dict[tuple[str, str], tuple[float, dict[str, float]]] = {}  # when counts were first as they are, and which
    began, seen_at = world.patient_now(), world.clock.now()
    last_change = began
    while (waited := world.patient_now() - began) < QUIET:
        world.clock.sleep(_BETWEEN_COUNTS)
        now = _counts(world, workload, seen_at)
        for key, (at, counts) in now.items():
            if key not in since or since[key][1] != counts:
                last_change = world.patient_now() if key in since else last_change
                since[key] = at, counts
        if all(at - since[key][0] >= LAG for key, (at, _) in now.items()) if now else waited >= LAG:
            return
    if world.patient_now() - last_change < LAG:
        text = f"canary and baseline of {workload.name} still answer requests, which do not come by the route"
        world.listen(Note(text, warning=True))


def _counts(world: World, workload: Workload, since: float) -> dict[tuple[str, str], tuple[float, dict[str, float]]]:
    """Return when the variants' pods last told their counts, and the counts; none if one of them does not tell."""
    if world.samples is None:
        return {}
    try:
        scene = observe(world.cluster, [workload.name], world.clock.now())
        pods = [one for one in pods_to_sample(scene, world.options.metrics_port) if one.variant in COMPARED]
        scrapes = [one for one in world.samples.read(pods, since) if one.counters is not None]
    except CanaryError:
        return {}
    if {one.pod.uid for one in scrapes} != {one.uid for one in pods}:
        return {}
    latest = {(one.pod.uid, one.process): one for one in sorted(scrapes, key=lambda one: one.at)}
    return {key: (one.at, dict(one.counters or {})) for key, one in latest.items()}
