"""What others do to a route, and to stable, while a release divides the requests."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import InputError, TimedOutError
from canary.events import Event, Judged, Looked, Note, Written
from canary.marks import STEP
from canary.objects import HTTP_ROUTE
from canary.ports import World
from canary.release.lookout import sleep
from tests.canary.cluster_simulator import unready
from tests.canary.release.routed import (
    add_backend,
    by_route,
    edit,
    left_nothing,
    restart,
    route,
    services,
    set_timeout,
    set_weights,
    stable_selects,
    state,
    weights,
)
from tests.canary.story import Person, Story, http_route, image_of, service

Object = dict[str, Any]


@pytest.mark.parametrize(
    ("change", "end"), [(set_timeout, "reject"), (add_backend, "reject"), (set_timeout, "promote")]
)
def test_an_edit_is_noticed_kept_and_survives_the_end(routed: Story, change: Any, end: str) -> None:
    routed.cluster.create(service("other", 80))
    by_route(routed).deploy()
    edited = edit(routed, change)

    with pytest.raises(TimedOutError, match="HTTPRoute app was edited since the release of app began"):
        routed.release(names=("app",), route="", max_duration=10).watch()
    with pytest.raises(InputError, match="HTTPRoute app was edited since the release of app began"):
        by_route(routed).deploy()
    (shown,) = routed.release(names=("app",)).status().workloads
    (problem,) = shown.problems
    assert problem == (
        "HTTPRoute app was edited since the release of app began, and does not divide the requests as the release "
        "wrote. What was edited stays. To end the release: canary reject app"
    )
    assert route(routed)["spec"] == edited
    if end == "reject":
        routed.release(names=("app",)).reject()
    else:
        by_route(routed, unproven=True).promote(decided="ada")

    (rule,) = route(routed)["spec"]["rules"]
    assert rule.get("timeouts") == edited["rules"][0].get("timeouts")
    weighted = [(one["name"], one["weight"]) for one in rule["backendRefs"]]
    assert weighted == ([("app", 1), ("other", 1)] if change is add_backend else [("app", 1)])
    assert "annotations" not in route(routed)["metadata"] or not route(routed)["metadata"]["annotations"]
    assert services(routed) == {"app", "other"}


def test_other_weights_are_noticed_and_never_overwritten(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).deploy()
    edited = edit(routed, set_weights)
    with pytest.raises(TimedOutError, match="HTTPRoute app was edited"):
        routed.release(names=("app",), route="", max_duration=10).watch()
    with pytest.raises(InputError, match="HTTPRoute app was edited"):
        by_route(routed).deploy()
    assert route(routed)["spec"] == edited
    routed.release(names=("app",)).reject()
    left_nothing(routed, before)


def test_the_original_manifest_applied_again_stays_until_somebody_deploys_again(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).deploy()
    edit(routed, lambda spec: spec.update(before["spec"]))
    with pytest.raises(TimedOutError, match="HTTPRoute app is as it was before the release, and divides no requests"):
        routed.release(names=("app",), route="", max_duration=10).watch()
    restart(routed)
    with pytest.raises(TimedOutError, match="HTTPRoute app is as it was before the release"):
        routed.release(names=("app",), route="", max_duration=10).watch()
    assert route(routed)["spec"] == before["spec"]
    by_route(routed).deploy()
    assert weights(routed) == {"app-stable": 18, "app-baseline": 1, "app-canary": 1}
    edit(routed, lambda spec: spec.update(before["spec"]))
    routed.release(names=("app",)).reject()
    left_nothing(routed, before)


def test_a_deleted_route_is_noticed_and_the_release_can_end(routed: Story) -> None:
    by_route(routed).deploy()
    routed.cluster.delete(HTTP_ROUTE, "app")
    with pytest.raises(TimedOutError, match="HTTPRoute app was deleted"):
        routed.release(names=("app",), route="", max_duration=10).watch()
    by_route(routed).promote(decided="ada")
    assert image_of(routed.deployment()) == "app:2"
    assert services(routed) == {"app"}
    assert routed.names() == {"app"}


def test_a_stable_that_is_restarted_gets_its_requests_all_the_time_and_the_release_goes_on(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).deploy()
    first = stable_selects(routed)
    routed.simulator.script["app:1"] = unready
    restart(routed)

    with pytest.raises(TimedOutError, match="stable app is being rolled out: until it is ready, canary and baseline"):
        routed.release(names=("app",), max_duration=10).watch()
    assert stable_selects(routed) == {"app": "app"}
    assert weights(routed) == {"app-stable": 18, "app-baseline": 1, "app-canary": 1}
    del routed.simulator.script["app:1"]
    restart(routed)
    assert by_route(routed, gate=Person(promote=False)).run().promoted is False

    assert first["pod-template-hash"]
    left_nothing(routed, before)


def test_a_stable_that_is_restarted_is_followed_while_a_watch_sleeps(routed: Story) -> None:
    by_route(routed).deploy()
    routed.simulator.script["app:1"] = unready
    restart(routed)
    sleep(World(routed.cluster, routed.clock, routed.events.append, routed.options), ["app"], 1)
    assert stable_selects(routed) == {"app": "app"}


def test_a_gate_that_waits_looks_after_the_requests_too(routed: Story) -> None:
    asked: list[Object] = []

    class Waits:
        def decide(self, _verdict: Any, elsewhere: Any) -> Any:
            routed.simulator.script["app:1"] = unready
            restart(routed)
            for _ in range(3):
                routed.clock.sleep(1)
                elsewhere()
            asked.append(stable_selects(routed))
            del routed.simulator.script["app:1"]
            restart(routed)
            for _ in range(3):
                routed.clock.sleep(1)
                elsewhere()
            asked.append(stable_selects(routed))
            edit(routed, set_timeout)
            routed.clock.sleep(1)
            elsewhere()
            return Person(promote=False).decide(_verdict, elsewhere)

    by_route(routed, gate=Waits()).run()

    assert asked[0] == {"app": "app"}
    assert asked[1].keys() == {"app", "pod-template-hash"}
    told = [note.text for note in routed.heard(Note) if "app" in note.text]
    wanted = ["stable app is being rolled out", "are divided again", "HTTPRoute app was edited since"]
    found = [want for text in told for want in wanted if want in text]
    assert found == wanted
    assert routed.simulator.lost_requests(routed.namespace) == []


def test_stable_that_is_scaled_keeps_its_share(routed: Story) -> None:
    by_route(routed).deploy()
    routed.cluster.scale("app", 7)
    routed.simulator.settle()
    first = stable_selects(routed)
    by_route(routed, gate=Person(promote=False)).run()
    assert "pod-template-hash" in first
    assert not [one for one in routed.heard(Looked) if "rolled out" in one.waiting_for]


def test_a_stable_that_was_rolled_out_while_no_driver_ran_gets_its_requests_back(routed: Story) -> None:
    by_route(routed).deploy()
    before = stable_selects(routed)
    restart(routed)
    assert stable_selects(routed) == before
    by_route(routed).deploy()
    assert stable_selects(routed) != before
    assert weights(routed) == {"app-stable": 18, "app-baseline": 1, "app-canary": 1}
    assert by_route(routed, steps=(5,)).run().promoted


def test_a_route_that_was_edited_before_it_was_divided_is_kept_so_and_the_header_too(routed: Story) -> None:
    by_route(routed, match="header:X-Canary=always").deploy()
    original = http_route()["spec"]
    edit(routed, lambda spec: spec.update(original))
    edit(routed, set_timeout)
    made = route(routed)["spec"]
    routed.events.clear()

    by_route(routed).deploy()
    assert not [event for event in routed.heard(Written) if event.name == "app-stable" and event.action == "deleted"]
    assert [len(rule.get("matches", [])) for rule in route(routed)["spec"]["rules"]] == [1, 1]
    routed.release(names=("app",)).reject()
    assert route(routed)["spec"] == made
    assert services(routed) == {"app"}


class EditsAfterTheVerdict(list[Event]):
    """Hears events, and edits the route when the first step has its verdict."""

    def __init__(self, story: Story) -> None:
        super().__init__()
        self._story = story

    def append(self, event: Event) -> None:
        super().append(event)
        if isinstance(event, Judged):
            edit(self._story, set_timeout)


def test_a_route_that_was_edited_stops_the_next_step_before_anything_is_written(routed: Story) -> None:
    routed.events = EditsAfterTheVerdict(routed)
    with pytest.raises(InputError, match="HTTPRoute app was edited"):
        by_route(routed).run()
    canary = routed.deployment("app-canary")
    assert (canary["metadata"]["annotations"][STEP], canary["spec"]["replicas"]) == ("5", 1)
