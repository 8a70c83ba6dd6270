"""What may be done, and what not, after the driver of a promote was stopped in the middle."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import InputError, InterruptedReleaseError
from canary.events import Note
from canary.marks import STATE, Variant
from canary.state.last_promote import PromoteState, read_last_promote, snapshots_before
from tests.canary.cluster_simulator import ready
from tests.canary.interruption import interrupt_promote
from tests.canary.story import Faulty, Story, deployment, secret


def image(found: dict[str, Any]) -> str:
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def state(story: Story, name: str = "app") -> PromoteState | None:
    """Return how far the last promote is."""
    found = read_last_promote(story.cluster, name)
    return found.state if found else None


def test_a_release_whose_promote_was_interrupted_is_not_deployed_again(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    interrupt_promote(story)

    with pytest.raises(InputError, match=r"was interrupted. To finish it: canary promote MANIFESTS --image IMAGE"):
        story.release(deployment("app:2")).deploy()


def test_rejecting_after_an_interrupted_promote_warns_of_what_stable_runs(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    interrupt_promote(story)
    story.simulator.script.clear()
    story.release(names=("app",)).reject()
    assert any(note.warning and "promote of app was interrupted" in note.text for note in story.heard(Note))

    story.release(deployment("app:1")).apply()
    story.release(deployment("app:3")).deploy()
    story.release(deployment("app:3")).promote()
    assert image(story.deployment()) == "app:3"
    assert state(story) is PromoteState.DONE


def given_up(story: Story) -> None:
    """Interrupt a promote, reject its release, and deploy another one."""
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    interrupt_promote(story)
    story.simulator.script.clear()
    story.release(names=("app",)).reject()
    story.release(deployment("app:1")).apply()
    story.release(deployment("app:3")).deploy()


def test_a_release_after_a_promote_that_was_given_up_can_be_superseded(story: Story) -> None:
    given_up(story)
    story.release(deployment("app:4"), supersede=True).deploy()
    assert image(story.deployment("app-canary")) == "app:4"


def test_status_does_not_offer_to_finish_a_promote_that_was_given_up_with_another_canary(story: Story) -> None:
    given_up(story)
    [app] = story.release(names=("app",)).status().workloads
    assert not [step for step in app.next if step.startswith("finish the promote")]
    assert any(step.startswith("compare canary and baseline: ") for step in app.next)


def test_a_release_after_a_promote_that_was_given_up_expires(story: Story) -> None:
    given_up(story)
    story.clock.time += 2000
    [app] = story.release().reap()
    assert (app.expired, story.names()) == (True, {"app"})


def test_a_promote_against_the_verdict_that_was_interrupted_is_finished_by_the_next(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.counts.good[Variant.CANARY] = 0.1
    story.release(names=("app",)).watch()
    interrupt_promote(story, decided="ada")
    story.simulator.script.clear()  # first: pods may come at any moment, and are to get ready
    story.simulator.settle()
    story.simulator.set_status(story.namespace, "app-", ready)

    story.release(deployment("app:2")).promote()
    assert image(story.deployment()) == "app:2"
    [app] = story.release(names=("app",)).status().workloads
    assert "promoted against the verdict: canary 10.0 % good" in app.unproven


def test_a_promote_that_was_stopped_while_it_kept_what_was_before_is_begun_anew(story: Story) -> None:
    new = (secret(value="new"), deployment("app:2"))
    story.stable(secret(), deployment("app:1"))
    story.release(*new).deploy()

    def interrupt(obj: dict[str, Any], **_: Any) -> None:
        if obj["kind"] == "Secret":
            raise KeyboardInterrupt

    with pytest.raises(InterruptedReleaseError):
        story.release(*new, cluster=Faulty(story.cluster, {"create": interrupt})).promote()
    story.release(*new).promote()
    assert image(story.deployment()) == "app:2"
    assert state(story) is PromoteState.DONE


def test_another_release_is_told_of_a_promote_that_was_interrupted_and_how_to_finish_it(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    interrupt_promote(story)

    with pytest.raises(
        InputError,
        match=r"app-canary has been running app:2 .* Its promote was interrupted. To finish it: canary promote",
    ):
        story.release(deployment("app:3")).deploy()


def test_a_driver_stopped_between_the_ends_of_two_workloads_does_not_take_the_new_for_the_old(story: Story) -> None:
    story.stable(deployment("app:1"), deployment("worker:1", name="worker"))
    new = (deployment("app:2"), deployment("worker:2", name="worker"))
    story.release(*new).deploy()

    def interrupt(_kind: Any, name: str, annotations: dict[str, Any]) -> None:
        if name == "worker-before" and annotations.get(STATE) == PromoteState.DONE:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedReleaseError):
        story.release(*new, cluster=Faulty(story.cluster, {"annotate": interrupt})).promote()
    assert (state(story), state(story, "worker")) == (PromoteState.DONE, PromoteState.PROMOTING)
    story.release(*new).promote()

    assert (state(story), state(story, "worker")) == (PromoteState.DONE, PromoteState.DONE)
    kept = [image(one.object or {}) for name in ("app", "worker") for one in snapshots_before(story.cluster, name)]
    assert kept == ["app:1", "worker:1"]
