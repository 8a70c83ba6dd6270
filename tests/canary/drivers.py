"""Several drivers of one release, and the lock that they share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from canary.kube.cluster import Cluster
from canary.objects import LEASE
from canary.state.lock import LeaseLock
from tests.canary.story import Story


@dataclass(frozen=True)
class Driver:
    """The process of a driver."""

    name: str
    gone: str = ""

    @property
    def mark(self) -> str:
        return f"mark of {self.name}"

    def is_gone(self, mark: str) -> bool:
        return mark == self.gone


def nobody_has(_mark: str) -> bool:
    """Return whether a process has ended, as a command on another machine sees it."""
    return False


ADA, BOB = Driver("ada@laptop, process 1"), Driver("bob@build-7, process 2")


def lock(story: Story, process: Driver = ADA, cluster: Any = None, **options: Any) -> LeaseLock:
    """Return a lock that is only renewed if a test passes `renew_every`."""

    @contextmanager
    def again() -> Iterator[Any]:
        own = story.simulator.cluster(story.namespace)
        yield own
        own.close()

    defaults: dict[str, Any] = {"background": again, "alongside": lambda *_: None, "renew_every": 3600}
    return LeaseLock(cluster or story.cluster, process, story.clock, **(defaults | options))


def lease(story: Story, name: str = "app-canary") -> Any:
    return story.cluster.get(LEASE, name)


def guarded(story: Story, by: LeaseLock) -> Cluster:
    """Return the cluster of a driver that checks its lock before each write."""
    story.cluster.serves(LEASE)  # opens the connection
    return Cluster(story.cluster.transport, story.namespace, before_write=by.check)


@dataclass
class Entered:
    """A lock that a test takes at one moment, and gives back at another."""

    lock: LeaseLock
    story: Story
    name: str = "app"

    def enter(self) -> None:
        self._held = self.lock.held([self.name], self.story.events.append)
        self._held.__enter__()

    def leave(self) -> None:
        self._held.__exit__(None, None, None)

    def met_by(self, another: LeaseLock) -> None:
        with another.held(["app"], self.story.events.append):
            pytest.fail("both work")
