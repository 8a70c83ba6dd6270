"""A release waits at its gate, and a promote or reject of another driver decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from canary.cli.render import status_as_text
from canary.errors import InputError, InterruptedReleaseError, LockLostError, PromoteError, TimedOutError
from canary.events import Answer, Decided, HandedOver, Promoted, Rejected
from canary.gate.manual import ManualGate
from canary.marks import DECISION, GATE, UNPROVEN, Variant
from canary.objects import DEPLOYMENT
from canary.observe.deployments import images
from canary.state.decision import record_decision, withdraw_decision
from tests.canary.cluster_simulator import unready
from tests.canary.drivers import ADA, BOB, Driver, Entered, lock
from tests.canary.release.gates import (
    NEW,
    OLD,
    Answers,
    Waiting,
    bob,
    gate_of,
    notes,
    recorded,
)
from tests.canary.story import Story, deployment


def test_a_promote_from_elsewhere_is_carried_out_by_the_release_that_waits(story: Story) -> None:
    story.stable(OLD)
    with Waiting(story, (NEW,)) as waiting:
        status = story.release(names=("app",)).status()
        (workload,) = status.workloads
        assert workload.gate
        assert workload.gate.driver == ADA.name
        assert "waits for a decision since" in status_as_text(status)
        assert "expires" not in status_as_text(status)
        assert [line.partition(": ")[2].split()[1] for line in workload.next] == ["promote", "reject"]
        bob(story, NEW).promote()
    assert waiting.outcome
    assert (waiting.outcome.promoted, waiting.outcome.by) == (True, "bob@build-7")
    assert story.heard(HandedOver) == [HandedOver(("app",), promote=True, to=ADA.name)]
    assert len(story.heard(Promoted)) == 1
    assert images(story.deployment()) == ("app:2",)
    assert story.names() == {"app"}


def test_a_reject_from_elsewhere_gives_its_reason(story: Story) -> None:
    story.stable(OLD)
    with Waiting(story, (NEW,)) as waiting:
        bob(story, names=("app",)).reject("answers are slow")
    assert waiting.outcome
    assert not waiting.outcome.promoted
    (rejected,) = story.heard(Rejected)
    assert rejected.reason.startswith("by bob@build-7: answers are slow (verdict: PROMOTE")
    assert story.heard(HandedOver) == [HandedOver(("app",), promote=False, to=ADA.name)]
    assert story.names() == {"app"}


def test_a_first_release_is_decided_from_elsewhere_too(story: Story) -> None:
    with Waiting(story, (NEW,)) as waiting:
        bob(story, NEW).promote()
    assert waiting.outcome
    assert waiting.outcome.promoted
    assert story.names() == {"app"}


def test_a_promote_against_the_verdict_needs_unproven_and_the_gate_goes_on_waiting(story: Story) -> None:
    story.stable(OLD)
    story.counts.good[Variant.CANARY] = 0.2
    with Waiting(story, (NEW,)):
        with pytest.raises(InputError, match="the verdict on app-canary is REJECT"):
            bob(story, NEW).promote()
        assert gate_of(story)
        bob(story, NEW, unproven=True).promote()
    assert "bob@build-7 promoted against the verdict" in story.deployment()["metadata"]["annotations"][UNPROVEN]


def test_other_images_are_refused(story: Story) -> None:
    story.stable(OLD)
    with Waiting(story, (NEW,)):
        with pytest.raises(InputError, match=r"waits at its gate with other images or manifests \(app:2\)"):
            bob(story, deployment("app:3"), unproven=True).promote()
        bob(story, names=("app",)).reject()


def test_workloads_that_are_released_together_are_decided_together(story: Story) -> None:
    story.stable(OLD, deployment("shop:1", name="shop"))
    with Waiting(story, (NEW, deployment("shop:2", name="shop"))):
        with pytest.raises(InputError, match="waits for one decision on app and shop together"):
            bob(story, names=("shop",)).reject()
        assert story.names() == {"app", "app-canary", "app-baseline", "shop", "shop-canary", "shop-baseline"}
        bob(story, names=("shop", "app")).reject()
    assert story.names() == {"app", "shop"}


def test_of_two_decisions_the_first_holds_and_the_second_is_told(story: Story) -> None:
    story.stable(OLD)

    def both() -> None:
        recorded(story, promote=True)
        with pytest.raises(InputError, match="bob@build-7 has already decided to promote app"):
            story.release(names=("app",), lock=lock(story, Driver("eve"))).reject()

    assert story.release(NEW, gate=Answers(both), lock=lock(story)).run().promoted


def test_a_decision_from_elsewhere_holds_against_a_later_answer_of_the_gate(story: Story) -> None:
    story.stable(OLD)
    gate = Answers(lambda: recorded(story, promote=True), answer=Decided(promote=False, by="ada"))
    outcome = story.release(NEW, gate=gate, lock=lock(story)).run()
    assert (outcome.promoted, outcome.by) == (True, "bob@build-7")


def interrupted(story: Story) -> None:
    """Interrupt a release at its gate."""

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(InterruptedReleaseError):
        story.release(NEW, gate=Answers(stop), lock=lock(story)).run()
    assert GATE in story.deployment("app-canary")["metadata"]["annotations"]


def test_where_the_release_was_interrupted_at_its_gate_a_promote_does_it_itself(story: Story) -> None:
    story.stable(OLD)
    interrupted(story)
    bob(story, NEW).promote()
    assert not story.heard(HandedOver)
    assert images(story.deployment()) == ("app:2",)
    assert story.names() == {"app"}


def test_where_the_release_was_killed_at_its_gate_a_promote_takes_its_lock(story: Story) -> None:
    story.stable(OLD)
    interrupted(story)
    killed = Entered(lock(story), story)
    killed.enter()  # it never gives the lock back
    assert gate_of(story)
    heir = lock(story, Driver("bob@build-7, process 2", gone=ADA.mark))
    story.release(NEW, lock=heir, person="bob@build-7").promote()
    assert f"{ADA.name} did not accept it within 15 s: taking the lock" in notes(story)
    assert images(story.deployment()) == ("app:2",)
    assert story.names() == {"app"}


def test_the_next_release_asks_anew_where_the_last_one_was_stopped_before_it_acted(story: Story) -> None:
    story.stable(OLD)
    interrupted(story)
    story.cluster.annotate(
        DEPLOYMENT, "app-canary", {DECISION: '{"decision": "promote", "by": "eve", "at": "", "reason": ""}'}
    )
    outcome = story.release(NEW, gate=Answers(lambda: None, Decided(promote=False, by="ada")), lock=lock(story)).run()
    assert (outcome.promoted, outcome.by) == (False, "ada")


def test_a_canary_that_somebody_deletes_ends_the_wait(story: Story) -> None:
    story.stable(OLD)
    gate = Answers(lambda: story.cluster.delete(DEPLOYMENT, "app-canary"))
    with pytest.raises(InputError, match="Deployment app-canary was deleted while the gate waited"):
        story.release(NEW, gate=gate, lock=lock(story)).run()


@pytest.mark.parametrize(
    "text", ["promote", "[]", '{"decision": "promote"}', '{"decision": "PROMOTE", "by": "a", "reason": ""}']
)
def test_a_record_that_cannot_be_read_is_named(story: Story, text: str) -> None:
    story.stable(OLD)
    gate = Answers(lambda: story.cluster.annotate(DEPLOYMENT, "app-canary", {DECISION: text}))
    with pytest.raises(InputError, match=rf"kubectl annotate deployment app-canary -n \S+ {DECISION}-"):
        story.release(NEW, gate=gate, lock=lock(story)).run()
    assert story.names() == {"app", "app-canary", "app-baseline"}


def test_nobody_decides_in_time(story: Story) -> None:
    story.stable(OLD)
    gate = ManualGate(story.clock, story.events.append, 60, "canary promote", "canary reject")
    with pytest.raises(TimedOutError, match="nobody decided within 60 s") as late:
        story.release(NEW, gate=gate, lock=lock(story)).run()
    assert "canary reject app" in str(late.value)
    assert story.names() == {"app", "app-canary", "app-baseline"}
    commands = "To promote, run elsewhere: canary promote. To reject: canary reject"
    assert f"waiting up to 60 s for a decision. {commands}" in notes(story)


def test_a_release_that_its_gate_promotes_at_once_records_nothing(story: Story) -> None:
    story.stable(OLD)
    seen: list[Any] = []

    class Looks:
        def decide(self, *_: Any) -> Decided:
            seen.append(story.deployment("app-canary")["metadata"]["annotations"])
            return Decided(promote=True, by="ada")

    story.release(NEW, gate=Looks(), lock=lock(story)).run()
    assert GATE not in seen[0]


class LosesAnAnswer:
    """A cluster that records a decision, and whose answer is lost: the write is sent again, and meets a conflict."""

    def __init__(self, cluster: Any) -> None:
        self._cluster, self.lost = cluster, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def annotate(self, kind: Any, name: str, annotations: Any, **more: Any) -> Any:
        found = self._cluster.annotate(kind, name, annotations, **more)
        if DECISION in annotations and not self.lost:
            self.lost = True
            return None
        return found


def test_a_decision_whose_answer_is_lost_is_known_as_the_own_one(story: Story) -> None:
    story.stable(OLD)
    with Waiting(story, (NEW,)) as waiting:
        bob(story, NEW, cluster=LosesAnAnswer(story.cluster)).promote()
    assert waiting.outcome
    assert waiting.outcome.by == "bob@build-7"


def test_a_slow_gate_that_was_taken_for_dead_waits_again(story: Story) -> None:
    story.stable(OLD)

    @dataclass
    class Slow:
        def decide(self, verdict: Any, elsewhere: Callable[[], Answer | None]) -> Answer | None:
            assert elsewhere() is None
            gate = gate_of(story)
            assert gate
            record_decision(story.cluster, gate, Decided(promote=True, by="eve"), 0)
            assert withdraw_decision(story.cluster, gate)
            assert (elsewhere(), elsewhere()) == (None, None)
            recorded(story, promote=False)
            return elsewhere()

    outcome = story.release(NEW, gate=Slow(), lock=lock(story)).run()
    assert (outcome.promoted, outcome.by) == (False, "bob@build-7")


def test_a_gate_whose_lock_is_broken_stops_asking(story: Story) -> None:
    story.stable(OLD)
    thief = Entered(lock(story, BOB, break_lock=True), story)
    with pytest.raises(LockLostError, match=r"bob@build-7, process 2 took the lock"):
        story.release(NEW, gate=Answers(thief.enter), lock=lock(story)).run()
    thief.leave()
    assert story.names() == {"app", "app-canary", "app-baseline"}


def test_a_release_that_ends_without_a_promote_is_not_reported_as_one(story: Story) -> None:
    story.stable(OLD)

    class Deletes(LosesAnAnswer):
        def annotate(self, kind: Any, name: str, annotations: Any, **more: Any) -> Any:
            found = story.cluster.annotate(kind, name, annotations, **more)
            story.cluster.delete(DEPLOYMENT, "app-canary")
            return found

    with Waiting(story, (NEW,)) as waiting:
        driver = bob(story, NEW, cluster=Deletes(story.cluster), unproven=True)
        with pytest.raises(PromoteError, match="ended the release of app without promoting it: its output says why"):
            driver.promote()
        assert isinstance(waiting.error(), InputError)
    assert not story.heard(HandedOver)
    assert images(story.deployment()) == ("app:1",)


def test_a_promote_that_fails_at_the_gate_is_not_tried_again_elsewhere(story: Story) -> None:
    story.stable(OLD)
    with Waiting(story, (NEW,)) as waiting:
        story.simulator.script["app:2"] = unready  # stable's new pods
        with pytest.raises(PromoteError, match=f"{ADA.name} could not promote app: its output says why"):
            bob(story, NEW).promote()
        assert isinstance(waiting.error(), PromoteError)
    assert images(story.deployment()) == ("app:1",)
    assert "app-canary" in story.names()


def test_of_two_releases_the_one_that_waits_is_handed_over_and_the_other_rejected(story: Story) -> None:
    story.stable(OLD, deployment("shop:1", name="shop"))
    story.release(deployment("shop:2", name="shop")).deploy()
    with Waiting(story, (NEW,)) as waiting:
        bob(story).reject()
    assert waiting.outcome
    assert not waiting.outcome.promoted
    assert [event.workload for event in story.heard(Rejected)] == ["app", "shop"]
    assert story.names() == {"app", "shop"}
