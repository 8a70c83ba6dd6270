"""A release from beginning to end."""

from __future__ import annotations

from canary.events import Promoted, Rejected, Variant
from tests.canary.story import Story, deployment, service


def test_a_canary_as_good_as_its_baseline_is_promoted(story: Story) -> None:
    story.stable(service(), deployment("app:1"))

    outcome = story.release(service(), deployment("app:2")).run()

    assert outcome.promoted
    assert outcome.by == "auto"
    assert story.names() == {"app"}
    assert story.deployment()["spec"]["template"]["spec"]["containers"][0]["image"] == "app:2"
    assert [event.images for event in story.heard(Promoted)] == [("app:2",)]


def test_a_canary_worse_than_its_baseline_is_rejected_and_stable_is_not_touched(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    before = story.deployment()
    story.counts.good[Variant.CANARY] = 0.5

    outcome = story.release(service(), deployment("app:2")).run()

    assert not outcome.promoted
    assert story.names() == {"app"}
    assert story.deployment()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert [event.deleted for event in story.heard(Rejected)] == [("app-canary", "app-baseline")]
