"""Releases whose requests an HTTPRoute divides: what is written, in which order, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from canary.errors import PromoteError, TimedOutError
from canary.events import Note, Written
from canary.marks import Variant
from canary.verdict.scrapes import Pod, Scrape
from tests.canary.cluster_simulator import unready
from tests.canary.release.routed import (
    by_route,
    left_nothing,
    route,
    services,
    stable_selects,
    state,
    weights,
)
from tests.canary.story import Faulty, Story, http_route, image_of, service

Object = dict[str, Any]


def test_a_release_in_steps_is_promoted_and_leaves_the_route_as_it_was(routed: Story) -> None:
    before, seen = state(route(routed)), []

    def note(*_: Any, **__: Any) -> None:
        seen.append(weights(routed))

    outcome = by_route(routed, cluster=Faulty(routed.cluster, {"scale": note})).run()

    assert outcome.promoted
    assert image_of(routed.deployment()) == "app:2"
    assert seen[-1] == {"app-stable": 18, "app-baseline": 1, "app-canary": 1}
    left_nothing(routed, before)


def test_a_rejected_release_leaves_the_route_as_it_was(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).deploy()
    assert weights(routed) == {"app-stable": 18, "app-baseline": 1, "app-canary": 1}
    assert services(routed) == {"app", "app-stable", "app-baseline", "app-canary"}
    routed.release(names=("app",)).reject()
    left_nothing(routed, before)


def test_a_promote_replaces_no_pod_of_stable_before_its_service_selects_the_new_ones_too(routed: Story) -> None:
    seen: list[tuple[Object, dict[str, int]]] = []

    def note(*written: Object, dry_run: bool = False) -> None:
        if written[-1]["kind"] == "Deployment" and not dry_run:
            seen.append((stable_selects(routed), weights(routed)))

    by_route(routed).deploy()
    faulty = Faulty(routed.cluster, {"apply": note, "apply_over": note})
    by_route(routed, cluster=faulty).promote(decided="ada")
    assert seen == [({"app": "app"}, {"app": 1})]


def rejected_after(story: Story) -> float:
    """Return how many seconds a reject waits."""
    by_route(story).deploy()
    began = story.clock.now()
    story.release(names=("app",)).reject()
    return story.clock.now() - began


def test_variants_are_deleted_as_soon_as_they_count_no_more_requests(routed: Story) -> None:
    routed.counts.answered |= {Variant.BASELINE: 0, Variant.CANARY: 0}
    assert 5 <= rejected_after(routed) < 15
    assert not [note for note in routed.heard(Note) if "still answer" in note.text]


def test_a_variant_that_still_answers_is_waited_for_although_the_other_is_quiet(routed: Story) -> None:
    routed.counts.answered |= {Variant.BASELINE: 0}
    assert 20 <= rejected_after(routed) < 35


def test_variants_that_still_answer_are_waited_for_in_vain_and_then_deleted(routed: Story) -> None:
    was = state(route(routed))
    assert 20 <= rejected_after(routed) < 35
    assert [note.text for note in routed.heard(Note) if note.warning] == [
        "canary and baseline of app still answer requests, which do not come by the route"
    ]
    left_nothing(routed, was)


def test_requests_that_come_seldom_are_waited_for_too(routed: Story) -> None:
    """At half a percent, seconds pass between two requests to a canary."""
    read = routed.counts.read

    def seldom(pods: Sequence[Pod], since: float) -> list[Scrape]:
        routed.counts.each = 1 if int(routed.clock.now()) % 4 == 0 else 0
        return read(pods, since)

    routed.counts.read = seldom  # type: ignore[method-assign]
    assert rejected_after(routed) >= 20
    assert [note.text for note in routed.heard(Note) if "still answer" in note.text]


def test_where_no_counts_can_be_read_a_controller_gets_five_seconds(routed: Story) -> None:
    routed.counts.problem[Variant.CANARY] = "connection refused"
    assert 5 <= rejected_after(routed) < 15


@pytest.mark.parametrize(
    ("share", "question"),
    [(12.5, "do the requests come by HTTPRoute app?"), (0, "HTTPRoute app gives them no share at this step")],
)
def test_requests_that_reach_stable_alone_may_come_beside_the_route(routed: Story, share: float, question: str) -> None:
    testers = {} if share else {"match": "header:X-Canary=always"}
    by_route(routed, steps=(share,), **testers).deploy()
    routed.counts.answered |= {Variant.BASELINE: 0.0, Variant.CANARY: 0.0}
    with pytest.raises(TimedOutError):
        routed.release(names=("app",), max_duration=60, no_traffic_after=10).watch()
    assert f"although stable gets some: {question}" in routed.heard(Note)[-1].text


def test_a_share_that_was_asked_for_is_told_with_all_its_digits(routed: Story) -> None:
    by_route(routed, steps=(12.5,)).deploy()
    said = [one.detail for one in routed.heard(Written) if one.kind == "HTTPRoute"]
    assert said[-1] == "12.5 % of requests each to canary and baseline"


def test_a_promote_that_fails_leaves_the_route_as_before_and_can_be_done_again(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).deploy()
    routed.simulator.script["app:2"] = unready
    with pytest.raises(PromoteError):
        by_route(routed, timeout=2).promote(decided="ada")
    assert route(routed)["spec"] == before["spec"]
    assert routed.names() == {"app", "app-baseline", "app-canary"}
    with pytest.raises(TimedOutError, match="divides no requests"):
        routed.release(names=("app",), max_duration=10).watch()
    del routed.simulator.script["app:2"]
    assert by_route(routed).run().promoted
    left_nothing(routed, before)


def test_a_release_whose_promote_failed_can_be_rejected(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).deploy()
    routed.simulator.script["app:2"] = unready
    with pytest.raises(PromoteError):
        by_route(routed, timeout=2).promote(decided="ada")
    routed.release(names=("app",)).reject()
    left_nothing(routed, before)


def test_a_rollback_in_the_middle_ends_the_release(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).run()
    by_route(routed, "app:3").deploy()
    routed.release(names=("app",)).rollback()
    assert image_of(routed.deployment()) == "app:1"
    left_nothing(routed, before)


def test_the_reaper_ends_it_as_reject_does(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed, expire_after=60).deploy()
    routed.clock.sleep(120)
    (reaped,) = routed.release().reap()
    assert reaped.expired
    left_nothing(routed, before)


def test_a_release_supersedes_another_one(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).deploy()
    by_route(routed, "app:3", supersede=True).deploy()
    assert image_of(routed.deployment("app-canary")) == "app:3"
    assert weights(routed) == {"app-stable": 18, "app-baseline": 1, "app-canary": 1}
    routed.release(names=("app",)).reject()
    left_nothing(routed, before)


def test_a_first_release_leaves_the_route_alone(story: Story) -> None:
    story.cluster.create(service())
    story.cluster.create(http_route())
    before = state(route(story))
    assert by_route(story, "app:1").run().promoted
    left = story.simulator.lost_requests(story.namespace)
    assert set(left) <= {"app, weight 1"}, "of the time before there were pods"
    assert state(route(story)) == before
    assert services(story) == {"app"}
