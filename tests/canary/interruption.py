"""Drivers that are stopped in the middle of their work."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import InterruptedReleaseError
from canary.kube.cluster import Cluster
from tests.canary.cluster_simulator import unready
from tests.canary.story import WRITES, Story, deployment


def interrupt_promote(story: Story, *, decided: str = "", unproven: bool = False) -> None:
    """Promote app:2, and stop the driver while its pods, which do not get ready, are waited for."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    story.simulator.script["app:2"] = unready
    story.clock.after(2, interrupt)
    with pytest.raises(InterruptedReleaseError):
        story.release(deployment("app:2"), unproven=unproven).promote(decided=decided)


class InterruptedAfter:
    """A cluster whose driver is interrupted after the nth write."""

    def __init__(self, cluster: Cluster, n: int) -> None:
        self.left = n
        self._cluster = cluster

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._cluster, name)
        if name not in WRITES:
            return real

        def write(*args: Any, **kwargs: Any) -> Any:
            answer = real(*args, **kwargs)
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            return answer

        return write
