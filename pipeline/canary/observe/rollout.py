"""Waits until Deployments are ready, and reports what holds them up."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from canary.errors import InputError, TimedOutError
from canary.events import Ready, Waiting
from canary.objects import DEPLOYMENT, Object
from canary.observe.deployments import Progress, pods_by_deployment, progress
from canary.observe.diagnosis import Diagnosis, gist
from canary.ports import World

POLL = 0.5  # seconds


@dataclass
class _Furthest:
    """How far a rollout has got, and since when.

    Progress is what it is for the Deployment controller: one more updated or available pod, or one old pod less. If all
    new pods start at once, old pods end one by one as new ones become available. A flapping pod is no progress.
    """

    since: float
    updated: int = 0
    available: int = 0
    outdated: int | None = None

    def note(self, state: Progress, now: float) -> None:
        further = (
            state.updated > self.updated
            or state.available > self.available
            or (self.outdated is not None and state.outdated < self.outdated)
        )
        if further:
            self.since = now
        self.updated, self.available = max(self.updated, state.updated), max(self.available, state.available)
        self.outdated = state.outdated if self.outdated is None else min(self.outdated, state.outdated)


def wait_until_ready(world: World, names: Iterable[str], *, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Wait until the rollout of each Deployment is complete.

    Args:
        world: what to work with.
        names: of the Deployments.
        meanwhile: what to do while waiting, twice a second.

    Raises:
        TimedOutError: one made no progress for the options' timeout, not counting outages of the API server. The
            message says which one, and what holds it up.
        InputError: one was deleted.
    """
    began = world.clock.now()
    pending = list(names)
    furthest = {name: _Furthest(world.patient_now()) for name in pending}
    seen: dict[str, Waiting] = {}
    diagnosis = Diagnosis(world.cluster, world.clock.now)
    while True:
        late: dict[str, Object] = {}
        for name in tuple(pending):
            deployment = world.cluster.get(DEPLOYMENT, name)
            if deployment is None:
                raise InputError(f"Deployment {name} was deleted while the release waited for it")
            state = progress(deployment)
            if state.complete:
                pending.remove(name)
                world.listen(Ready(name, state.ready, world.clock.now() - began))
                continue
            furthest[name].note(state, world.patient_now())
            late[name] = deployment
        pods = pods_by_deployment(world.cluster, late.values())
        for name, deployment in late.items():
            state = progress(deployment)
            reason = diagnosis.why_not_ready(deployment, pods[deployment["metadata"]["uid"]])
            event = Waiting(name, state.renewed, state.desired, reason)
            before = seen.get(name)
            seen[name] = event
            if before is None or _gist(before) != _gist(event):
                world.listen(event)
        if not pending:
            return
        stuck = min(pending, key=lambda name: furthest[name].since)
        if world.patient_now() - furthest[stuck].since >= world.options.timeout:
            last = seen[stuck]
            raise TimedOutError(
                f"Deployment {last.name}: {last.ready} of {last.desired} pods ready, no progress for "
                f"{world.options.timeout:g} s: {last.reason or 'the pods are not ready yet'}"
            )
        world.clock.sleep(POLL)
        meanwhile()


def _gist(event: Waiting) -> Waiting:
    return replace(event, reason=gist(event.reason))
