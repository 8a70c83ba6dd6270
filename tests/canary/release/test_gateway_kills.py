"""Drivers of a release by a route that are killed, and what the next command finds."""

from __future__ import annotations

import contextlib
from itertools import count
from typing import Any

import pytest

from canary.errors import InterruptedReleaseError
from canary.marks import Variant
from canary.objects import SERVICE
from canary.release.status import workloads_in_release
from tests.canary.release.routed import (
    Killed,
    by_route,
    left_nothing,
    route,
    state,
)
from tests.canary.story import Faulty, Story, deployment, image_of, service

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


def test_what_a_killed_reject_has_left_is_found_without_a_canary(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).deploy()

    def killed(kind: Any, *_: Any, **__: Any) -> None:
        if kind == SERVICE:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedReleaseError):
        routed.release(names=("app",), cluster=Faulty(routed.cluster, {"delete": killed})).reject()
    assert routed.names() == {"app"}
    assert workloads_in_release(routed.cluster, routed.options.label) == ("app",)
    routed.release().reject()
    left_nothing(routed, before)
