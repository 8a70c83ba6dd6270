"""What there is, and what can be done next."""

from __future__ import annotations

import pytest

from canary.cli import render
from canary.errors import InputError, TimedOutError
from canary.events import Looked
from canary.marks import Variant
from canary.verdict.comparison import Decision
from tests.canary.cluster_simulator import waiting
from tests.canary.story import Story, deployment


def action(step: str) -> str:
    """Return which command a step takes."""
    return step.rpartition(": canary ")[2].split()[0]


def test_a_workload_that_does_not_exist_can_be_released_or_applied(story: Story) -> None:
    [app] = story.release(names=("app",)).status().workloads
    assert app.variants == ()
    assert "canary release" in app.next[0]


def test_stable_alone_waits_for_a_release(story: Story) -> None:
    story.stable(deployment("app:1"))
    [app] = story.release(names=("app",)).status().workloads
    [stable] = app.variants
    assert (stable.variant, stable.images, stable.ready, stable.desired) == (Variant.STABLE, ("app:1",), 4, 4)
    assert (app.verdict, len(app.next)) == ("", 1)


def test_a_release_in_progress_is_found_without_its_name(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    [app] = story.release().status().workloads
    assert [variant.name for variant in app.variants] == ["app", "app-baseline", "app-canary"]
    assert [action(step) for step in app.next] == ["watch", "promote", "reject"]
    assert "without a PROMOTE verdict: canary promote " in app.next[1]


def test_what_was_counted_and_judged_is_shown(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    verdict = story.release(names=("app",)).watch()
    [app] = story.release(names=("app",)).status().workloads
    assert (app.verdict, app.sentence) == ("PROMOTE", verdict.sentence)
    assert "roll the canary's version out to stable: canary promote MANIFESTS --image app:2" in app.next
    canary = next(variant for variant in app.variants if variant.variant is Variant.CANARY)
    assert canary.requests == round(verdict.comparisons[0].canary.total)


def test_the_decision_to_expect_is_shown_until_there_is_one(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.counts.each = 10
    with pytest.raises(TimedOutError, match=r"\(expected: PROMOTE in about \d0 s if the difference stays\)"):
        story.release(names=("app",), max_duration=20, min_requests=0, min_duration=0).watch()
    [app] = story.release(names=("app",)).status().workloads
    assert app.forecast
    assert app.forecast == story.heard(Looked)[-1].forecast
    assert app.forecast.decision is Decision.PROMOTE
    story.release(names=("app",)).watch()
    assert story.release(names=("app",)).status().workloads[0].forecast is None


def test_what_the_last_look_waited_for_is_shown_until_nothing_does(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    with pytest.raises(TimedOutError):
        story.release(names=("app",), max_duration=4, min_requests=10_000).watch()
    status = story.release(names=("app",)).status()
    assert status.workloads[0].waiting_for == "app-baseline: 600 of 10000 requests"
    assert "\n  the last look waited for: app-baseline: 600 of 10000 requests\n" in render.status_as_text(status)
    story.release(names=("app",)).watch()
    assert story.release(names=("app",)).status().workloads[0].waiting_for == ""


def test_after_reject_nothing_but_rejecting_is_offered(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.counts.good[Variant.CANARY] = 0.1
    story.release(names=("app",)).watch()
    [app] = story.release(names=("app",)).status().workloads
    assert app.verdict == "REJECT"
    assert [action(step) for step in app.next] == ["reject"]


def test_what_holds_up_a_variant_is_shown(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.simulator.script["app:2"] = waiting("ErrImagePull", "not found")
    story.cluster.apply(deployment("app:2"))
    story.until(lambda: "ErrImagePull" in story.release(names=("app",)).status().workloads[0].variants[0].reason)


@pytest.mark.parametrize("action", ["deploy", "promote", "apply", "run"])
def test_what_needs_manifests_says_so(story: Story, action: str) -> None:
    with pytest.raises(InputError, match="no manifests"):
        getattr(story.release(names=("app",)), action)()
