"""What happens between two writes of a route: slow controllers, others who write it, and drivers that are killed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest

from canary.errors import CanaryError, ConflictError, InputError, InterruptedReleaseError, TimedOutError
from canary.events import Event, Judged
from canary.objects import HTTP_ROUTE, SERVICE
from tests.canary.cluster_simulator import unready
from tests.canary.release.routed import (
    Killed,
    by_route,
    edit,
    left_nothing,
    restart,
    route,
    services,
    set_timeout,
    stable_selects,
    state,
    weights,
)
from tests.canary.story import Faulty, Story

Object = dict[str, Any]
ENDS = pytest.mark.parametrize("end", ["promote", "reject"])


class SlowController:
    """A cluster whose controller of the Gateway API sees each change of a route after some seconds."""

    def __init__(self, story: Story, seconds: float) -> None:
        self._story, self._seconds = story, seconds
        self.written: list[float] = []
        self.deleted: list[tuple[str, float]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._story.cluster, name)

    def get(self, kind: Any, name: str) -> Any:
        found = self._story.cluster.get(kind, name)
        if kind == HTTP_ROUTE and found and self.written and self._story.clock.now() - self.written[-1] < self._seconds:
            for parent in found["status"]["parents"]:
                for one in parent["conditions"]:
                    one["observedGeneration"] = found["metadata"]["generation"] - 1
        return found

    def update(self, obj: Object, **options: Any) -> Any:
        if obj["kind"] == HTTP_ROUTE.kind:
            self.written.append(self._story.clock.now())
        return self._story.cluster.update(obj, **options)

    def delete(self, kind: Any, name: str, **options: Any) -> Any:
        self.deleted.append((kind.kind, self._story.clock.now() - max(self.written, default=0.0)))
        return self._story.cluster.delete(kind, name, **options)


class After:
    """A cluster in which something happens after the nth write of the route, or after each one from then on."""

    def __init__(self, cluster: Any, n: int, then: Callable[[], object], *, each: bool = False) -> None:
        self._cluster, self._n, self._then, self._each = cluster, n, then, each
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def update(self, obj: Object, **options: Any) -> Any:
        answer = self._cluster.update(obj, **options)
        if obj["kind"] == HTTP_ROUTE.kind and answer is not None:
            self.writes += 1
            assert self.writes < 100, "it writes for ever"
            if self.writes == self._n or (self._each and self.writes > self._n):
                self._then()
        return answer


def ended(story: Story, cluster: Any, end: str) -> None:
    if end == "promote":
        by_route(story, cluster=cluster, unproven=True).promote(decided="ada")
    else:
        story.release(names=("app",), cluster=cluster).reject()


def interrupt() -> None:
    raise KeyboardInterrupt


def without_services(story: Story) -> Faulty:
    """Give a cluster whose driver is killed when it deletes the first Service."""

    def killed(kind: Any, *_: Any, **__: Any) -> None:
        if kind == SERVICE:
            raise KeyboardInterrupt

    return Faulty(story.cluster, {"delete": killed})


@ENDS
@pytest.mark.parametrize("seconds", [0, 3])
def test_the_next_write_comes_half_a_second_after_the_controller_has_seen_the_one_before(
    routed: Story, end: str, seconds: float
) -> None:
    slow = SlowController(routed, seconds)
    by_route(routed, cluster=slow).deploy()
    first, slow.written = slow.written, []
    ended(routed, slow, end)
    gaps = [later - one for written in (first, slow.written) for one, later in pairwise(written)]
    assert len(gaps) >= 6
    assert all(gap >= seconds + 0.5 for gap in gaps), gaps


def test_a_deploy_whose_route_somebody_puts_back_each_time_ends_with_an_error_and_can_be_rejected(
    routed: Story,
) -> None:
    before = state(route(routed))
    reverting = After(routed.cluster, 1, lambda: edit(routed, lambda spec: spec.update(before["spec"])), each=True)
    with pytest.raises(ConflictError, match="somebody else writes it each time"):
        by_route(routed, cluster=reverting).deploy()
    routed.release(names=("app",)).reject()
    assert state(route(routed)) == before
    assert (services(routed), routed.names()) == ({"app"}, {"app"})


def test_a_reject_whose_route_somebody_puts_back_ends(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).deploy()
    put_back = After(routed.cluster, 1, lambda: edit(routed, lambda spec: spec.update(deepcopy(before["spec"]))))
    routed.release(names=("app",), cluster=put_back).reject()
    assert state(route(routed)) == before
    assert services(routed) == {"app"}


@ENDS
@pytest.mark.parametrize("n", [1, 2])
def test_a_release_ends_although_the_route_is_deleted_between_two_writes(routed: Story, n: int, end: str) -> None:
    by_route(routed).deploy()
    began = routed.clock.now()
    ended(routed, After(routed.cluster, n, lambda: routed.cluster.delete(HTTP_ROUTE, "app")), end)
    assert (services(routed), routed.names()) == ({"app"}, {"app"})
    assert routed.clock.now() - began < 60, "nothing waits for a route that is gone"


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_reject_ends_although_the_route_is_edited_between_two_writes(routed: Story, n: int) -> None:
    before = route(routed)["spec"]
    by_route(routed).deploy()
    routed.release(names=("app",), cluster=After(routed.cluster, n, lambda: edit(routed, set_timeout))).reject()
    set_timeout(before)
    assert route(routed)["spec"] == before
    assert (services(routed), routed.names()) == ({"app"}, {"app"})


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_deploy_that_was_killed_after_a_write_goes_on_although_the_controller_is_slow(routed: Story, n: int) -> None:
    slow = SlowController(routed, 3)
    with pytest.raises(InterruptedReleaseError):
        by_route(routed, cluster=After(slow, n, interrupt)).deploy()
    by_route(routed, cluster=slow).deploy()
    assert weights(routed) == {"app-stable": 18, "app-baseline": 1, "app-canary": 1}


def test_no_service_is_deleted_before_the_controller_has_seen_what_a_killed_reject_wrote_last(routed: Story) -> None:
    by_route(routed).deploy()
    slow = SlowController(routed, 3)
    with contextlib.suppress(InterruptedReleaseError):
        routed.release(names=("app",), cluster=After(slow, 5, interrupt)).reject()
    assert services(routed) != {"app"}
    routed.release(names=("app",), cluster=slow).reject()
    assert services(routed) == {"app"}
    assert min(seconds for kind, seconds in slow.deleted if kind == SERVICE.kind) >= 3


def test_a_route_that_is_put_back_after_the_verdict_stops_the_next_step_before_anything_is_written(
    routed: Story,
) -> None:
    original = route(routed)["spec"]

    class PutBack(list[Event]):
        def append(self, event: Event) -> None:
            super().append(event)
            if isinstance(event, Judged):
                edit(routed, lambda spec: spec.update(deepcopy(original)))

    routed.events = PutBack()
    with pytest.raises(InputError, match="HTTPRoute app is as it was before the release, and divides no requests"):
        by_route(routed).run()
    assert routed.deployment("app-canary")["spec"]["replicas"] == 1


def test_a_driver_that_waits_for_pods_follows_a_stable_that_is_restarted(routed: Story) -> None:
    routed.simulator.script["app:2"] = unready

    class Restarts:
        def __getattr__(self, name: str) -> Any:
            return getattr(routed.cluster, name)

        def scale(self, name: str, count: int) -> None:
            routed.cluster.scale(name, count)
            if name == "app-canary":
                routed.simulator.script["app:1"] = unready
                restart(routed)

    with pytest.raises(TimedOutError):
        by_route(routed, cluster=Restarts(), timeout=5).deploy()
    assert stable_selects(routed) == {"app": "app"}


def test_a_rollback_that_was_killed_leaves_nothing_when_it_is_done_again(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).run()
    by_route(routed, "app:3").deploy()
    with pytest.raises(InterruptedReleaseError):
        routed.release(names=("app",), cluster=without_services(routed)).rollback()
    routed.release(names=("app",)).rollback()
    left_nothing(routed, before)


def test_a_promote_that_was_killed_at_its_services_is_finished_and_not_reaped(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).deploy()
    with pytest.raises(InterruptedReleaseError):
        by_route(routed, cluster=without_services(routed), unproven=True).promote(decided="ada")
    (shown,) = routed.release(names=("app",)).status().workloads
    assert [step.partition(":")[0] for step in shown.next] == [
        "finish the promote that was interrupted",
        "return to the state before that promote",
    ]
    (kept,) = routed.release().reap()
    assert not kept.expired
    assert kept.reason.startswith("its promote was interrupted. To finish it: canary promote")
    by_route(routed).promote(decided="ada")
    left_nothing(routed, before)


@ENDS
def test_nothing_is_deleted_to_which_a_route_leads_if_nobody_knows_what_it_was(routed: Story, end: str) -> None:
    before = route(routed)["spec"]
    by_route(routed).deploy()
    routed.cluster.delete(SERVICE, "app-stable")
    routed.simulator.settle()
    lost = "Service app-stable was deleted, and with it what HTTPRoute app was before the release of app"
    (shown,) = routed.release(names=("app",)).status().workloads
    assert [problem for problem in shown.problems if lost in problem]
    with pytest.raises(TimedOutError, match=lost):
        routed.release(names=("app",), max_duration=10).watch()
    with pytest.raises(CanaryError, match=lost):
        ended(routed, routed.cluster, end)
    assert routed.names() == {"app", "app-baseline", "app-canary"}
    edit(routed, lambda spec: spec.update(before))
    routed.release(names=("app",)).reject()
    assert routed.names() == {"app"}


def test_a_preview_that_is_not_shown_to_testers_yet_is_told_so(routed: Story) -> None:
    by_route(routed, steps=(0,), match="header:X-Canary=always").deploy()
    with contextlib.suppress(InterruptedReleaseError):
        routed.release(names=("app",), cluster=Killed(routed.cluster, 1, before=False)).reject()
    (shown,) = routed.release(names=("app",)).status().workloads
    (problem,) = shown.problems
    assert problem.startswith("HTTPRoute app does not yet send testers (header:X-Canary=always) to the canary.")
