"""A release waits at its gate, and somebody decides to watch for longer, or several people decide at once."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from canary.errors import InputError, InterruptedReleaseError
from canary.events import Answer, Decided, DecisionAsked, KeepsWatching
from canary.marks import DECISION, GATE
from canary.objects import DEPLOYMENT
from canary.state.decision import record_decision, waiting_gate
from tests.canary.drivers import Driver, lock
from tests.canary.release.gates import (
    NEW,
    OLD,
    Answers,
    Asked,
    gate_of,
    keeps_watching,
    recorded,
)
from tests.canary.story import Story


def test_keep_watching_from_elsewhere_takes_more_looks_and_asks_again(story: Story) -> None:
    story.stable(OLD)
    gate = Asked([lambda: keeps_watching(story), lambda: recorded(story, promote=True)])
    assert story.release(NEW, gate=gate, lock=lock(story)).run().promoted
    (kept,) = story.heard(KeepsWatching)
    assert (kept.by, kept.reason, kept.verdict.partition(",")[0]) == ("bob@build-7", "too early", "PROMOTE")
    first, second = story.heard(DecisionAsked)
    assert first.verdict
    assert second.verdict
    assert second.verdict.comparisons[0].canary.total > first.verdict.comparisons[0].canary.total


def test_watching_goes_on_without_a_gate_or_a_decision_on_the_canary(story: Story) -> None:
    story.stable(OLD)
    seen: list[Any] = []

    def watched() -> None:
        keeps_watching(story)
        story.clock.after(2, lambda: seen.append(story.deployment("app-canary")["metadata"]["annotations"]))

    gate = Asked([watched, lambda: recorded(story, promote=False)])
    assert not story.release(NEW, gate=gate, lock=lock(story)).run().promoted
    assert seen
    assert not {GATE, DECISION} & seen[0].keys()


def test_who_promotes_after_somebody_kept_watching_is_told(story: Story) -> None:
    story.stable(OLD)

    def both() -> None:
        keeps_watching(story)
        with pytest.raises(
            InputError, match=r"^bob@build-7 has already decided to keep watching app: the gate asks again later$"
        ):
            story.release(NEW, lock=lock(story, Driver("eve"))).promote()

    gate = Asked([both, lambda: recorded(story, promote=True)])
    assert story.release(NEW, gate=gate, lock=lock(story)).run().promoted
    assert len(story.heard(KeepsWatching)) == 1


def test_who_keeps_watching_after_somebody_promoted_is_told(story: Story) -> None:
    story.stable(OLD)

    def both() -> None:
        recorded(story, promote=True)
        with pytest.raises(InputError, match=r"^bob@build-7 has already decided to promote app$"):
            keeps_watching(story, by="eve")

    assert story.release(NEW, gate=Asked([both]), lock=lock(story)).run().promoted
    assert not story.heard(KeepsWatching)


def test_of_two_people_in_the_same_second_one_wins_and_the_other_is_told(story: Story) -> None:
    story.stable(OLD)
    outcomes: list[str] = []

    def decide(answer: Answer, start: threading.Barrier) -> None:
        cluster = story.simulator.cluster(story.namespace)
        gate = waiting_gate(cluster, "app", cluster.get(DEPLOYMENT, "app-canary"))
        assert gate
        start.wait(20)
        try:
            outcomes.append("wins" if record_decision(cluster, gate, answer, story.clock.now()) else "late")
        except InputError as error:
            outcomes.append(str(error))
        cluster.close()

    def race() -> None:
        start = threading.Barrier(2)
        answers = (KeepsWatching("bob"), Decided(promote=True, by="eve"))
        threads = [threading.Thread(target=decide, args=(answer, start)) for answer in answers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    gate = Asked([race, lambda: recorded(story, promote=True)])
    assert story.release(NEW, gate=gate, lock=lock(story)).run().promoted
    told = {
        "bob has already decided to keep watching app: the gate asks again later",
        "eve has already decided to promote app",
    }
    assert "wins" in outcomes
    assert len(told & set(outcomes)) == 1, outcomes


def test_a_person_at_the_terminal_who_keeps_watching_does_not_undo_a_decision_from_elsewhere(story: Story) -> None:
    story.stable(OLD)
    gate = Answers(lambda: recorded(story, promote=True), answer=KeepsWatching("ada"))
    assert story.release(NEW, gate=gate, lock=lock(story)).run().by == "bob@build-7"
    assert not story.heard(KeepsWatching)


def test_a_gate_that_closes_while_somebody_decides_is_no_longer_decided_on(story: Story) -> None:
    story.stable(OLD)
    waiting: list[Any] = []
    gate = Answers(lambda: waiting.append(gate_of(story)), answer=Decided(promote=False, by="ada"))
    assert not story.release(NEW, gate=gate, lock=lock(story)).run().promoted
    assert not record_decision(story.cluster, waiting[0], KeepsWatching("bob"), story.clock.now())


def test_a_decision_on_a_question_does_not_hold_for_the_next_one(story: Story) -> None:
    story.stable(OLD)
    first: list[Any] = []

    def ask_again() -> None:
        first.append(gate_of(story))
        keeps_watching(story)

    def late() -> None:
        assert not record_decision(story.cluster, first[0], Decided(promote=False, by="bob"), story.clock.now())
        recorded(story, promote=True)

    assert story.release(NEW, gate=Asked([ask_again, late]), lock=lock(story)).run().promoted


def test_a_driver_of_an_older_version_is_not_told_to_keep_watching(story: Story) -> None:
    story.stable(OLD)

    def older() -> None:
        mark = json.loads(story.deployment("app-canary")["metadata"]["annotations"][GATE])
        del mark["can_watch"]
        story.cluster.annotate(DEPLOYMENT, "app-canary", {GATE: json.dumps(mark)})
        with pytest.raises(InputError, match="ada@laptop, process 1 is of an older version, which cannot be told"):
            keeps_watching(story)
        recorded(story, promote=True)

    assert story.release(NEW, gate=Asked([older]), lock=lock(story)).run().promoted


def test_a_driver_that_is_killed_before_it_hears_that_watching_goes_on_asks_anew(story: Story) -> None:
    story.stable(OLD)

    def killed() -> None:
        keeps_watching(story)
        raise KeyboardInterrupt

    with pytest.raises(InterruptedReleaseError):
        story.release(NEW, gate=Answers(killed), lock=lock(story)).run()
    assert DECISION in story.deployment("app-canary")["metadata"]["annotations"]
    before = len(story.heard(DecisionAsked))
    gate = Answers(lambda: None, Decided(promote=True, by="ada"))
    assert story.release(NEW, gate=gate, lock=lock(story)).run().promoted
    assert len(story.heard(DecisionAsked)) == before + 1
    assert not story.heard(KeepsWatching)
