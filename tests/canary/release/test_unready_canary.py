"""A canary that is not ready has shown nothing, and is not promoted."""

from __future__ import annotations

import pytest

from canary.errors import InputError, TimedOutError
from canary.events import Waiting
from canary.marks import UNPROVEN
from canary.objects import annotations_of
from canary.observe.deployments import progress
from tests.canary.cluster_simulator import died, ready, unready, waiting
from tests.canary.story import Story, deployment

NO_IMAGE = waiting("ImagePullBackOff", "no such image")


def image(story: Story) -> str:
    return str(story.deployment()["spec"]["template"]["spec"]["containers"][0]["image"])


def never_started(story: Story) -> None:
    """Deploy a canary whose image does not come."""
    story.stable(deployment("app:1"))
    story.simulator.script["app:2"] = NO_IMAGE
    with pytest.raises(TimedOutError):
        story.release(deployment("app:2")).deploy()
    story.events.clear()


def test_a_canary_that_never_started_is_waited_for_and_refused(story: Story) -> None:
    never_started(story)
    with pytest.raises(InputError) as refused:
        story.release(deployment("app:2")).promote()
    assert str(refused.value).startswith(
        "the canary is not ready: Deployment app-canary: 0 of 2 pods ready, no progress for 10 s"
    )
    assert "ImagePullBackOff: container app: no such image" in str(refused.value)
    assert str(refused.value).endswith(
        "; to end the release: canary reject app, or pass --unproven to promote it anyway"
    )
    assert [event.name for event in story.heard(Waiting)] == ["app-canary"]
    assert image(story) == "app:1"
    assert story.names() == {"app", "app-baseline", "app-canary"}


def test_a_canary_that_gets_ready_in_time_is_promoted(story: Story) -> None:
    never_started(story)
    story.simulator.script.clear()
    story.clock.after(3, lambda: story.simulator.set_status(story.namespace, "app-canary-", ready))
    story.release(deployment("app:2")).promote()
    assert image(story) == "app:2"


def test_a_canary_that_died_while_it_was_waited_for_is_refused(story: Story) -> None:
    never_started(story)

    def comes_back() -> None:
        story.simulator.set_status(story.namespace, "app-canary-", lambda status: died("OOMKilled", 137)(ready(status)))

    story.clock.after(3, comes_back)
    with pytest.raises(InputError, match="OOMKilled"):
        story.release(deployment("app:2")).promote()
    assert image(story) == "app:1"


def test_a_canary_that_lost_its_readiness_is_refused(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.simulator.set_status(story.namespace, "app-canary-", unready)
    with pytest.raises(InputError, match=r"the canary is not ready: Deployment app-canary: 0 of 2 pods ready"):
        story.release(deployment("app:2")).promote(decided="ada")
    assert image(story) == "app:1"


def test_a_canary_without_pods_is_refused_at_once(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.cluster.scale("app-canary", 0)
    story.until(lambda: progress(story.deployment("app-canary")).complete)
    story.events.clear()
    with pytest.raises(InputError, match=r"the canary is not ready: Deployment app-canary: 0 of 0 pods ready;"):
        story.release(deployment("app:2")).promote()
    assert story.heard(Waiting) == []
    assert image(story) == "app:1"


def test_unproven_promotes_without_waiting_and_is_recorded_with_what_held_the_canary_up(story: Story) -> None:
    never_started(story)
    began = story.clock.now()
    story.simulator.script.clear()
    story.release(deployment("app:2"), unproven=True).promote()
    assert image(story) == "app:2"
    assert "app-canary" not in [event.name for event in story.heard(Waiting)]
    recorded = annotations_of(story.deployment())[UNPROVEN]
    assert "Z: the canary is not ready: Deployment app-canary: 0 of 2 pods ready: Pod app-canary-" in recorded
    assert story.clock.now() - began < story.options.timeout


def test_status_offers_no_promote_of_a_canary_that_is_not_ready(story: Story) -> None:
    never_started(story)
    [app] = story.release(names=("app",)).status().workloads
    assert app.next == (
        "wait until the pods are ready, then compare canary and baseline: canary watch app",
        "delete canary and baseline: canary reject app",
    )
