"""Pods are waited for as long as the rollout makes progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from canary.errors import ForbiddenError, PromoteError, TimedOutError
from canary.objects import POD
from canary.observe.deployments import images, progress
from tests.canary.cluster_simulator import ready, unready
from tests.canary.story import Faulty, Story, deployment

ALL_AT_ONCE = {"strategy": {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}}}
ONE_BY_ONE: dict[str, Any] = {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}


def every(story: Story, seconds: float, action: Callable[[], object]) -> None:
    """Do something again and again, for two minutes."""
    until = story.clock.now() + 120

    def again() -> None:
        action()
        if story.clock.now() < until:
            story.clock.after(seconds, again)

    story.clock.after(seconds, again)


def one_more_gets_ready(story: Story, image: str) -> None:
    """Let one more pod of an image get ready, if one is not."""
    for pod in story.cluster.find(POD):
        (container,) = pod["status"].get("containerStatuses") or [{}]
        if container.get("image") == image and not container["ready"]:
            story.simulator.set_status(story.namespace, pod["metadata"]["name"], ready)
            return


@pytest.mark.parametrize("strategy", [ONE_BY_ONE, ALL_AT_ONCE], ids=["one by one", "all at once"])
def test_a_slow_rollout_is_waited_for_as_long_as_it_makes_progress(story: Story, strategy: dict[str, Any]) -> None:
    story.stable(deployment("app:1", replicas=6, **strategy))
    new = deployment("app:2", replicas=6, **strategy)
    story.release(new).deploy()
    story.simulator.script["app:2"] = unready
    every(story, 8, lambda: one_more_gets_ready(story, "app:2"))
    began = story.clock.now()

    story.release(new, timeout=10).promote()

    assert images(story.deployment()) == ("app:2",)
    assert progress(story.deployment()).complete
    assert story.clock.now() - began > 40  # four times the timeout


def test_who_may_not_read_events_waits_for_a_rollout_too(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.simulator.script["app:2"] = unready
    every(story, 8, lambda: one_more_gets_ready(story, "app:2"))

    def forbid(*_: Any, **__: Any) -> None:
        raise ForbiddenError("list Events: may not list events")

    story.release(deployment("app:2"), timeout=10, cluster=Faulty(story.cluster, {"events": forbid})).promote()
    assert images(story.deployment()) == ("app:2",)


def test_a_pod_that_flaps_makes_no_progress(story: Story) -> None:
    story.simulator.script["app:1"] = unready
    states = [ready, unready]

    def flap() -> None:
        pod, _ = sorted(found["metadata"]["name"] for found in story.cluster.find(POD))
        story.simulator.set_status(story.namespace, pod, states[0])
        states.reverse()

    every(story, 3, flap)
    began = story.clock.now()
    with pytest.raises(TimedOutError, match=r"Deployment app: 0 of 2 pods ready, no progress for 10 s: "):
        story.release(deployment("app:1", replicas=2), timeout=10).apply()
    assert story.clock.now() - began < 15  # it was ready once, after three seconds


def test_a_rollout_that_gets_stuck_in_the_middle_is_undone(story: Story) -> None:
    story.stable(deployment("app:1", replicas=3, **ONE_BY_ONE))
    new = deployment("app:2", replicas=3, **ONE_BY_ONE)
    story.release(new).deploy()
    story.simulator.script["app:2"] = unready
    story.clock.after(8, lambda: one_more_gets_ready(story, "app:2"))
    with pytest.raises(PromoteError, match=r"undone: Deployment app: 1 of 3 pods ready, no progress for 10 s: "):
        story.release(new, timeout=10).promote()
    assert images(story.deployment()) == ("app:1",)


def test_one_deployment_that_is_stuck_does_not_wait_for_another_that_goes_on(story: Story) -> None:
    story.simulator.script |= {"app:1": unready, "slow:1": unready}
    every(story, 8, lambda: one_more_gets_ready(story, "slow:1"))
    began = story.clock.now()
    with pytest.raises(TimedOutError, match=r"Deployment app: 0 of 1 pods ready, no progress for 10 s"):
        story.release(
            deployment("slow:1", name="slow", replicas=9), deployment("app:1", replicas=1), timeout=10
        ).apply()
    assert story.clock.now() - began < 20
