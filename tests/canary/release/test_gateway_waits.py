"""What a release by a route waits for, so that requests always find ready pods."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import InterruptedReleaseError, TimedOutError
from canary.events import Note
from canary.objects import DEPLOYMENT, ENDPOINT_SLICE, HTTP_ROUTE
from tests.canary.gateway_controller import MUTE
from tests.canary.release.routed import (
    by_route,
    edit,
    left_nothing,
    restart,
    route,
    services,
    set_timeout,
    state,
    weights,
)
from tests.canary.story import Faulty, Story, image_of, service

Object = dict[str, Any]


class Slow:
    """A cluster whose Services get their endpoints some seconds after they were created, and each route written."""

    def __init__(self, story: Story, seconds: float) -> None:
        self._story, self._seconds = story, seconds
        self._created: dict[str, float] = {}
        self.early: list[tuple[str, float]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._story.cluster, name)

    def _age(self, name: str) -> float:
        return self._story.clock.now() - self._created.get(name, 0)

    def create(self, obj: Object, **options: Any) -> Any:
        self._created[obj["metadata"]["name"]] = self._story.clock.now()
        return self._story.cluster.create(obj, **options)

    def find(self, kind: Any, **options: Any) -> Any:
        found = self._story.cluster.find(kind, **options)
        names = (options.get("labels") or {}).values()
        is_early = kind == ENDPOINT_SLICE and any(self._age(name) < self._seconds for name in names)
        return [] if is_early else found

    def update(self, obj: Object, **options: Any) -> Any:
        if obj["kind"] == HTTP_ROUTE.kind:
            named = {one["name"] for rule in obj["spec"]["rules"] for one in rule["backendRefs"]}
            self.early += [(one, self._age(one)) for one in named if self._age(one) <= self._seconds]
        return self._story.cluster.update(obj, **options)


def test_a_route_leads_to_no_service_before_its_endpoints_are_there_and_seen(routed: Story) -> None:
    slow = Slow(routed, 3)
    by_route(routed, cluster=slow).deploy()
    assert weights(routed) == {"app-stable": 18, "app-baseline": 1, "app-canary": 1}
    assert slow.early == []


def test_no_pod_of_stable_is_replaced_before_the_controller_has_seen_the_route(routed: Story) -> None:
    by_route(routed).deploy()
    routed.cluster.annotate(HTTP_ROUTE, "app", {MUTE: "yes"})
    with pytest.raises(TimedOutError, match="HTTPRoute app is not served after 3 s: the controller of Gateway entry"):
        by_route(routed, timeout=3).promote(decided="ada")
    assert image_of(routed.deployment()) == "app:1"


@pytest.mark.parametrize("is_edited", [False, True])
def test_a_reject_waits_for_the_controller_and_ends_without_it(routed: Story, is_edited: bool) -> None:
    seen: dict[str, list[float]] = {}
    by_route(routed).deploy()
    if is_edited:
        edit(routed, set_timeout)
    routed.cluster.annotate(HTTP_ROUTE, "app", {MUTE: "yes"})
    began = routed.clock.now()

    def note(kind: Any, *_: Any, **__: Any) -> None:
        seen.setdefault(kind.kind, []).append(routed.clock.now() - began)

    routed.release(names=("app",), timeout=7, cluster=Faulty(routed.cluster, {"delete": note})).reject()
    assert seen["Deployment"][0] >= 7
    assert is_edited or seen["Service"][0] - seen["Deployment"][-1] >= 7
    assert seen["Service"][-1] < 80, "it waits for the controller twice, and not after each write"
    assert routed.names() == {"app"}
    assert services(routed) == {"app"}
    assert routed.heard(Note)[-1].text.endswith("has not seen its last change; the release ends nevertheless")


def test_a_reject_after_a_restart_leads_requests_to_the_pods_that_there_are_now(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).deploy()
    restart(routed)

    writes: list[Object] = []

    def note(obj: Object, **_: Any) -> None:
        if obj["kind"] == "HTTPRoute" and not writes:  # until then nobody followed stable
            routed.simulator.lost_requests(routed.namespace).clear()
        writes.extend([obj] if obj["kind"] == "HTTPRoute" else [])

    routed.release(names=("app",), cluster=Faulty(routed.cluster, {"update": note})).reject()
    lead_to = [{one["name"] for one in obj["spec"]["rules"][0]["backendRefs"] if one["weight"]} for obj in writes]
    assert lead_to == [{"app-stable"}] * 3 + [{"app"}] * 2
    left_nothing(routed, before)


@pytest.mark.parametrize(("gone_after", "waits"), [(8, (8, 14)), (300, (20, 26))])
def test_the_route_is_put_back_when_no_pod_that_ends_is_an_endpoint(
    routed: Story, gone_after: float, waits: tuple[float, float]
) -> None:
    """For a while only: another Deployment's pods may be endpoints of the Service for ever."""
    deleted: list[float] = []
    written: list[float] = []

    class Ending:
        def __getattr__(self, name: str) -> Any:
            return getattr(routed.cluster, name)

        def delete(self, kind: Any, name: str, **options: Any) -> Any:
            if kind == DEPLOYMENT:
                deleted.append(routed.clock.now())
            return routed.cluster.delete(kind, name, **options)

        def find(self, kind: Any, **options: Any) -> Any:
            found = routed.cluster.find(kind, **options)
            if kind == ENDPOINT_SLICE and "app" in options["labels"].values():
                ends = {"targetRef": {"kind": "Pod", "name": "app-canary-x"}}
                if deleted and routed.clock.now() - deleted[-1] < gone_after:
                    return [*found, {"endpoints": [ends]}]
            return found

        def update(self, obj: Object, **options: Any) -> Any:
            if obj["kind"] == HTTP_ROUTE.kind and deleted:
                written.append(routed.clock.now() - deleted[-1])
            return routed.cluster.update(obj, **options)

    before = state(route(routed))
    by_route(routed).deploy()
    routed.release(names=("app",), cluster=Ending()).reject()
    least, most = waits
    assert least <= written[0] <= most
    left_nothing(routed, before)


def killed_before_the_route(story: Story) -> None:
    """Deploy, and be killed before the first write of the route."""

    def killed(written: Object, *_: Any, **__: Any) -> None:
        if written["kind"] == "HTTPRoute":
            raise KeyboardInterrupt

    with pytest.raises(InterruptedReleaseError):
        by_route(story, cluster=Faulty(story.cluster, {"update": killed})).deploy()
    assert services(story) == {"app", "app-stable"}


def test_a_service_that_is_of_no_release_is_never_deleted(routed: Story) -> None:
    killed_before_the_route(routed)
    routed.cluster.create(service("app-canary"))
    routed.release(names=("app",)).reject()
    assert services(routed) == {"app", "app-canary"}


def test_an_edit_before_the_first_write_of_the_route_is_what_it_was(routed: Story) -> None:
    killed_before_the_route(routed)
    edit(routed, set_timeout)
    before = state(route(routed))
    by_route(routed).deploy()
    routed.release(names=("app",)).reject()
    left_nothing(routed, before)
