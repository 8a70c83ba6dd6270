"""A promote that nothing has shown to be right is possible in an emergency, and is never forgotten."""

from __future__ import annotations

from canary.events import Note
from canary.marks import UNPROVEN, Variant
from canary.objects import annotations_of
from tests.canary.cluster_simulator import ready
from tests.canary.interruption import interrupt_promote
from tests.canary.story import Story, deployment


def warnings(story: Story) -> list[str]:
    return [note.text for note in story.heard(Note) if note.warning]


def test_what_nobody_has_tried_is_recorded_on_stable_and_told_until_a_proven_promote(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2"), unproven=True).promote()
    assert warnings(story) == ["promoting app unproven: no canary of app has run this release"]
    recorded = annotations_of(story.deployment()).get(UNPROVEN, "")
    assert recorded == "2001-09-09T01:48:20Z: no canary of app has run this release"
    assert story.release(names=("app",)).status().workloads[0].unproven == recorded

    story.release(deployment("app:3")).deploy()
    assert UNPROVEN not in story.deployment("app-baseline")["metadata"]["annotations"]
    story.release(deployment("app:3")).promote()
    assert annotations_of(story.deployment()).get(UNPROVEN, "") == ""
    assert story.release(names=("app",)).status().workloads[0].unproven == ""


def test_a_promote_against_the_verdict_is_recorded_with_the_verdict(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.counts.good[Variant.CANARY] = 0.1
    sentence = story.release(names=("app",)).watch().sentence
    story.release(deployment("app:2"), unproven=True).promote()
    assert (
        annotations_of(story.deployment())
        .get(UNPROVEN, "")
        .endswith(f"Z: the verdict on app-canary is REJECT: {sentence}")
    )


def test_a_promote_of_what_was_compared_and_found_good_is_not_recorded_for_all_that_was_allowed(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.release(names=("app",)).watch()
    story.release(deployment("app:2"), unproven=True).promote()
    assert annotations_of(story.deployment()).get(UNPROVEN, "") == ""


def test_whoever_finishes_an_interrupted_promote_keeps_the_record(story: Story) -> None:
    story.stable(deployment("app:1"))
    interrupt_promote(story, unproven=True)
    story.simulator.script.clear()
    story.simulator.settle()
    story.simulator.set_status(story.namespace, "app-", ready)

    recorded = annotations_of(story.deployment()).get(UNPROVEN, "")
    assert recorded
    story.release(deployment("app:2")).promote()
    assert annotations_of(story.deployment()).get(UNPROVEN, "") == recorded
