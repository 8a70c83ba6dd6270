"""Waits until Deployments are ready, and says meanwhile what holds them up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from canary.collaborators import DEPLOYMENT
from canary.deployments import progress
from canary.diagnosis import gist, hold_up
from canary.errors import InputError, TimedOutError
from canary.events import Ready, Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from canary.collaborators import World

POLL = 0.5  # seconds


def wait_until_ready(world: World, names: Iterable[str]) -> None:
    """Wait until the rollout of each Deployment is complete.

    Raises:
        TimedOutError: one was not ready within the options' timeout; the message names it and what holds it up.
        InputError: one is gone.
    """
    began = world.clock.now()
    pending = list(names)
    seen: dict[str, Waiting] = {}
    while True:
        for name in tuple(pending):
            deployment = world.cluster.get(DEPLOYMENT, name)
            if deployment is None:
                raise InputError(f"Deployment {name} was deleted while the release waited for it")
            state = progress(deployment)
            if state.complete:
                pending.remove(name)
                world.listen(Ready(name, state.ready, world.clock.now() - began))
                continue
            event = Waiting(name, state.renewed, state.desired, hold_up(world.cluster, deployment))
            before = seen.get(name)
            seen[name] = event
            if before is None or _gist(before) != _gist(event):
                world.listen(event)
        if not pending:
            return
        if world.clock.now() - began >= world.options.timeout:
            last = seen[pending[0]]
            raise TimedOutError(
                f"Deployment {last.name}: {last.ready} of {last.desired} pods ready after "
                f"{world.options.timeout:g} s: {last.reason or 'the pods have not got ready yet'}"
            )
        world.clock.sleep(POLL)


def _gist(event: Waiting) -> Waiting:
    return replace(event, reason=gist(event.reason))
