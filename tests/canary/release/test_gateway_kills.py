"""Drivers of a release by a route that are killed, and what the next command finds."""

from __future__ import annotations

import contextlib
from itertools import count
from typing import Any

import pytest

from canary.errors import InterruptedReleaseError
from canary.events import Note
from canary.marks import Variant
from canary.objects import DEPLOYMENT, SERVICE
from canary.release.status import workloads_in_release
from tests.canary.release.routed import (
    Killed,
    by_route,
    left_nothing,
    route,
    services,
    state,
)
from tests.canary.story import Faulty, Story, deployment, image_of, service

Object = dict[str, Any]

KILLS = pytest.mark.parametrize("before", [True, False], ids=["before", "after"])


@pytest.mark.long
@pytest.mark.timeout(900)
@KILLS
@pytest.mark.parametrize("good", [0.9, 0.1])
def test_a_release_killed_at_any_of_its_writes_is_gone_on_from(routed: Story, before: bool, good: float) -> None:
    was = state(route(routed))
    routed.counts.good[Variant.CANARY] = good
    for n in count(1):
        routed.stable(service(), deployment("app:1", replicas=2))
        doomed = Killed(routed.cluster, n, before=before)
        with contextlib.suppress(InterruptedReleaseError):
            by_route(routed, cluster=doomed).run()
        if doomed.left > 0:
            break
        by_route(routed).run()
        assert image_of(routed.deployment()) == ("app:2" if good > 0.5 else "app:1"), f"killed at write {n}"
        left_nothing(routed, was)
    assert n > 15


@pytest.mark.long
@pytest.mark.timeout(900)
@KILLS
def test_a_deploy_killed_at_any_of_its_writes_can_be_rejected_without_a_name(routed: Story, before: bool) -> None:
    was = state(route(routed))
    for n in count(1):
        doomed = Killed(routed.cluster, n, before=before)
        with contextlib.suppress(InterruptedReleaseError):
            by_route(routed, cluster=doomed).deploy()
        routed.release().reject()
        left_nothing(routed, was)
        if doomed.left > 0:
            break
    assert n > 7


@pytest.mark.long
@pytest.mark.timeout(900)
@KILLS
def test_a_reject_killed_at_any_of_its_writes_is_gone_on_with(routed: Story, before: bool) -> None:
    was = state(route(routed))
    for n in count(1):
        by_route(routed).deploy()
        doomed = Killed(routed.cluster, n, before=before)
        with contextlib.suppress(InterruptedReleaseError):
            routed.release(cluster=doomed).reject()
        routed.release().reject()
        left_nothing(routed, was)
        if doomed.left > 0:
            break
    assert n > 5


@pytest.fixture
def left_over(routed: Story) -> Object:
    """Give what the route was before a release whose reject was killed when it had deleted the variants."""
    was = state(route(routed))
    by_route(routed).deploy()

    def killed(kind: Any, *_: Any, **__: Any) -> None:
        if kind == SERVICE:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedReleaseError):
        routed.release(names=("app",), cluster=Faulty(routed.cluster, {"delete": killed})).reject()
    assert routed.names() == {"app"}
    return was


def test_what_a_killed_reject_has_left_is_found_without_a_canary(routed: Story, left_over: Object) -> None:
    assert workloads_in_release(routed.cluster, routed.options.label) == ("app",)
    routed.release().reject()
    assert routed.heard(Note)[-1].text == (
        "app: its canary was deleted before; the release by HTTPRoute app has ended now"
    )
    left_nothing(routed, left_over)


def test_status_says_how_to_end_what_a_killed_reject_has_left(routed: Story, left_over: Object) -> None:
    (shown,) = routed.release(names=("app",)).status().workloads
    assert any("the release of app by HTTPRoute app was not ended completely" in one for one in shown.problems)
    (step,) = shown.next
    assert step.startswith("put HTTPRoute app back, and delete the Services of canary and baseline: canary reject app")
    routed.release().reject()
    (shown,) = routed.release(names=("app",)).status().workloads
    assert not shown.problems
    left_nothing(routed, left_over)


def test_the_reaper_leaves_a_baseline_without_a_canary(routed: Story) -> None:
    by_route(routed, expire_after=60).deploy()
    routed.clock.sleep(120)
    routed.cluster.delete(DEPLOYMENT, "app-canary")
    (kept,) = routed.release().reap()
    assert (kept.expired, kept.reason) == (
        False,
        "it has a baseline, but no canary. To delete it: canary reject app",
    )
    assert routed.names() == {"app", "app-baseline"}


def test_the_reaper_ends_what_a_killed_reject_has_left(routed: Story, left_over: Object) -> None:
    (shown,) = routed.release().reap(dry_run=True)
    assert shown.reason == (
        "its variants were deleted before its release by HTTPRoute app had ended, and nobody works on it"
    )
    assert services(routed) != {"app"}
    (reaped,) = routed.release().reap()
    assert (reaped.expired, reaped.reason) == (True, shown.reason)
    left_nothing(routed, left_over)
