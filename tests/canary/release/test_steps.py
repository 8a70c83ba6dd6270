"""Releases that grow step by step: what lets them, what ends them, and how they are gone on with."""

from __future__ import annotations

import contextlib
from itertools import count
from typing import Any

import pytest

from canary.errors import InterruptedReleaseError, TimedOutError
from canary.events import DecisionAsked, Grows, Looked, Note, Written
from canary.marks import STEP, Variant
from canary.variants.steps import Step, step_at_hand, step_of
from canary.verdict.comparison import Decision
from tests.canary.cluster_simulator import waiting
from tests.canary.story import Faulty, Story, deployment, service

STEPS = (25, 50, 100)


def sizes(story: Story) -> tuple[int, int]:
    canary, baseline = (story.deployment(f"app-{variant}") for variant in ("canary", "baseline"))
    return canary["spec"]["replicas"], baseline["spec"]["replicas"]


@pytest.fixture
def stable(story: Story) -> Story:
    """Give a story in which four pods of app:1 are stable."""
    story.stable(service(), deployment("app:1"))
    return story


def test_a_good_canary_grows_from_step_to_step_and_is_promoted_after_the_last(stable: Story) -> None:
    outcome = stable.release(deployment("app:2"), steps=STEPS).run()
    assert outcome.promoted
    assert [event.step.percentage for event in stable.heard(Grows)] == [50, 100]
    scaled = [(event.name, event.detail) for event in stable.heard(Written) if event.action == "scaled"]
    assert scaled == [
        ("app-baseline", "to 2"),
        ("app-canary", "to 2"),
        ("app-baseline", "to 4"),
        ("app-canary", "to 4"),
    ]
    assert len(stable.heard(DecisionAsked)) == 1
    assert stable.deployment()["spec"]["template"]["spec"]["containers"][0]["image"] == "app:2"


def test_each_step_takes_its_own_time_and_requests_while_evidence_is_carried_over(stable: Story) -> None:
    stable.release(deployment("app:2"), steps=STEPS, min_duration=30, min_requests=1000).run()
    looks = {step: [look for look in stable.heard(Looked) if look.step == step] for step in Step(25, STEPS).following}
    for step, seen in looks.items():
        assert seen[-1].at - seen[0].at >= 30, step
        assert seen[0].verdict.decision is Decision.PROMOTE, "by what was counted at the step before"
        assert "of 1000 requests at this step" in seen[0].waiting_for
    totals = [look.verdict.comparisons[0].canary.total for look in stable.heard(Looked)]
    assert totals == sorted(totals)


def test_a_step_without_a_request_of_its_own_is_not_passed(stable: Story) -> None:
    def silence(name: str, _replicas: int) -> None:
        stable.counts.each = 0

    growing = stable.release(
        deployment("app:2"), steps=STEPS, max_duration=60, cluster=Faulty(stable.cluster, {"scale": silence})
    )
    with pytest.raises(TimedOutError, match=r"app-\w+: 0 of 50 requests at this step"):
        growing.run()
    assert sizes(stable) == (2, 2)


def test_a_canary_that_gets_worse_at_a_later_step_ends_the_release(stable: Story) -> None:
    def worse(name: str, _replicas: int) -> None:
        stable.counts.good[Variant.CANARY] = 0.1

    outcome = stable.release(deployment("app:2"), steps=STEPS, cluster=Faulty(stable.cluster, {"scale": worse})).run()
    assert (outcome.promoted, outcome.verdict.decision) == (False, Decision.REJECT)
    assert [event.step.percentage for event in stable.heard(Grows)] == [50]
    assert stable.names() == {"app"}


def test_steps_that_make_no_more_pods_are_passed_over(stable: Story) -> None:
    assert stable.release(deployment("app:2"), steps=(10, 25, 30, 50)).run().promoted
    assert [event.step.percentage for event in stable.heard(Grows)] == [50]
    passed = [note.text for note in stable.heard(Note) if "is skipped" in note.text]
    assert [text.split(" is ")[0] for text in passed] == ["step 2 of 4 (25 %)", "step 3 of 4 (30 %)"]


def test_a_first_release_has_nothing_to_grow_by(story: Story) -> None:
    assert story.release(deployment("app:1"), steps=STEPS).run().promoted
    assert story.heard(Grows) == []


def test_a_release_of_several_deployments_grows_in_step(story: Story) -> None:
    story.stable(deployment("app:1"), deployment("worker:1", name="worker", replicas=2))
    new = (deployment("app:2"), deployment("worker:2", name="worker", replicas=2))
    assert story.release(*new, steps=(50, 100)).run().promoted
    scaled = {event.name: event.detail for event in story.heard(Written) if event.action == "scaled"}
    assert scaled == {
        "app-canary": "to 4", "app-baseline": "to 4", "worker-canary": "to 2", "worker-baseline": "to 2",
    }  # fmt: skip


def test_a_release_that_is_killed_goes_on_at_its_step(stable: Story) -> None:
    def kill() -> None:
        raise KeyboardInterrupt

    release = stable.release(deployment("app:2"), steps=STEPS, min_duration=20)
    stable.clock.after(31, kill)
    with pytest.raises(InterruptedReleaseError, match="Run the same command again to continue"):
        release.run()
    assert [event.step.percentage for event in stable.heard(Grows)] == [50]
    counted = stable.heard(Looked)[-1].verdict.comparisons[0].canary.total
    stable.events.clear()

    assert stable.release(deployment("app:2"), steps=STEPS, min_duration=20).run().promoted

    first = stable.heard(Looked)[0]
    assert first.step == Step(50, STEPS)
    assert first.verdict.comparisons[0].canary.total > counted
    assert [event.step.percentage for event in stable.heard(Grows)] == [100]


@pytest.mark.long
def test_a_driver_killed_after_any_write_of_growing_goes_on(story: Story) -> None:
    for n in count(1):
        story.stable(deployment("app:1"))
        left = [n]

        def doom(*_: Any, left: list[int] = left, **__: Any) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt

        doomed = Faulty(story.cluster, {"scale": doom})
        with contextlib.suppress(InterruptedReleaseError):
            story.release(deployment("app:2"), steps=(25, 50), min_duration=0, cluster=doomed).run()
        if left[0] > 0:
            break
        assert step_of(story.deployment("app-canary")) == Step(50, (25, 50))
        assert story.release(deployment("app:2"), steps=(25, 50), min_duration=0).run().promoted
    assert n == 3, "two Deployments are scaled"


def test_a_step_whose_pods_do_not_get_ready_is_a_timeout_that_leaves_the_variants(stable: Story) -> None:
    def stuck(_name: str, _replicas: int) -> None:
        stable.simulator.script["app:2"] = waiting("ImagePullBackOff", "too many requests")

    with pytest.raises(TimedOutError, match=r"app-canary: 1 of 2 pods ready.*too many requests"):
        stable.release(deployment("app:2"), steps=STEPS, cluster=Faulty(stable.cluster, {"scale": stuck})).run()
    assert sizes(stable) == (2, 2)


def test_deploying_again_at_another_size_begins_that_step_anew(stable: Story) -> None:
    stable.release(deployment("app:2"), steps=(25,)).deploy()
    stable.release(names=("app",), min_duration=20).watch()
    stable.release(deployment("app:2"), steps=(50,)).deploy()
    assert stable.deployment("app-canary")["metadata"]["annotations"][STEP] == "50"
    stable.events.clear()

    stable.release(names=("app",), min_duration=20).watch()

    first, *_, last = stable.heard(Looked)
    assert first.verdict.comparisons[0].canary.total > 1000, "what was counted before stays"
    assert last.at - first.at >= 20


def test_the_status_shows_the_step(stable: Story) -> None:
    stable.release(deployment("app:2"), steps=STEPS).deploy()
    [app] = stable.release(names=("app",)).status().workloads
    assert app.step == Step(25, STEPS)
    assert app.next[0].startswith("watch, then continue with step 2 of 3 (50 %): canary release ")
    stable.release(names=("app",)).reject()
    stable.release(deployment("app:2")).deploy()
    assert stable.release(names=("app",)).status().workloads[0].step is None


def canary(**annotations: str) -> dict[str, Any]:
    return {"metadata": {"annotations": annotations}}


def test_a_release_goes_on_at_the_furthest_of_its_own_steps() -> None:
    at = [canary(), canary(**Step(25, STEPS).annotations), canary(**Step(50, STEPS).annotations)]
    assert step_at_hand(STEPS, at) == Step(50, STEPS)
    assert step_at_hand((10, 25), at) == Step(25, (10, 25))
    assert step_at_hand((10, 60), at) == Step(10, (10, 60))
    assert step_at_hand((10, 60), []) == Step(10, (10, 60))


@pytest.mark.parametrize(
    "written", [{}, {STEP: "25"}, {STEP: "x", "canary-lab/steps": "25"}, {STEP: "1", "canary-lab/steps": "2"}]
)
def test_what_does_not_say_its_step_is_at_none(written: dict[str, str]) -> None:
    assert step_of(canary(**written)) is None
