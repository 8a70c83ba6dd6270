"""Releases whose requests an HTTPRoute divides: what is written, in which order, and what is left."""

from __future__ import annotations

import contextlib
from copy import deepcopy
from itertools import count
from typing import Any

import pytest

from canary.errors import CanaryError, InputError, InterruptedReleaseError, PromoteError, TimedOutError
from canary.events import Looked, Note, Written
from canary.marks import Variant
from canary.objects import DEPLOYMENT, ENDPOINT_SLICE, GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, SERVICE
from canary.release.release import Release
from canary.release.status import workloads_in_release
from tests.canary.cluster_simulator import unready
from tests.canary.gateway_controller import MUTE
from tests.canary.story import WRITES, Faulty, Person, Story, deployment, http_route, image_of, service

Object = dict[str, Any]


@pytest.fixture
def routed(story: Story) -> Story:
    """Give a namespace with stable, its Service, and an HTTPRoute that leads there."""
    story.stable(service(), deployment("app:1"))
    story.cluster.create(http_route())
    story.simulator.settle()
    return story


def by_route(story: Story, image: str = "app:2", **options: Any) -> Release:
    chosen: dict[str, Any] = {"route": "app", "steps": (5, 50), "min_duration": 0, **options}
    return story.release(service(), deployment(image), **chosen)


def route(story: Story) -> Object:
    found = story.cluster.get(HTTP_ROUTE, "app")
    assert found is not None
    return found


def state(found: Object) -> Object:
    """Return what a release must leave as it was."""
    return {
        "spec": found["spec"],
        "marks": {key: found["metadata"].get(key) or {} for key in ("labels", "annotations")},
    }


def weights(story: Story) -> dict[str, int]:
    return {one["name"]: one["weight"] for one in route(story)["spec"]["rules"][0]["backendRefs"]}


def services(story: Story) -> set[str]:
    return {one["metadata"]["name"] for one in story.cluster.find(SERVICE)}


def edit(story: Story, change: Any) -> Object:
    """Edit the route as a person does, and return its spec."""
    found = route(story)
    change(found["spec"])
    assert story.cluster.update(found) is not None
    story.simulator.settle()
    return deepcopy(route(story)["spec"])


def set_timeout(spec: Object) -> None:
    spec["rules"][0]["timeouts"] = {"request": "3s"}


def add_backend(spec: Object) -> None:
    spec["rules"][0]["backendRefs"].append({"name": "other", "port": 80, "weight": 20})


def set_weights(spec: Object) -> None:
    for one, weight in zip(spec["rules"][0]["backendRefs"], (1, 0, 0), strict=True):
        one["weight"] = weight


def restart(story: Story, image: str = "app:1") -> None:
    """Roll stable out again; its new pods are ready after the next change of the script."""
    found = story.deployment()
    found["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": str(story.clock.now())}
    found["spec"]["template"]["spec"]["containers"][0]["image"] = image
    assert story.cluster.update(found) is not None
    story.simulator.settle()


def stable_selects(story: Story) -> Object:
    found = story.cluster.get(SERVICE, "app-stable")
    assert found is not None
    selector: Object = found["spec"]["selector"]
    return selector


def left_nothing(story: Story, before: Object) -> None:
    assert state(route(story)) == before
    assert services(story) == {"app"}
    assert story.names() == {"app"}
    assert story.simulator.lost_requests(story.namespace) == []


class Killed:
    """A cluster whose driver is killed before or after the nth write."""

    def __init__(self, cluster: Any, n: int, *, before: bool) -> None:
        self.left = n
        self._cluster = cluster
        self._before = before

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._cluster, name)
        if name not in WRITES:
            return real

        def write(*args: Any, **kwargs: Any) -> Any:
            if kwargs.get("dry_run"):
                return real(*args, **kwargs)
            self.left -= 1
            if self.left <= 0 and self._before:
                raise KeyboardInterrupt
            answer = real(*args, **kwargs)
            if self.left <= 0:
                raise KeyboardInterrupt
            return answer

        return write


KILLS = pytest.mark.parametrize("before", [True, False], ids=["before", "after"])


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


HEADER = "header:X-Canary=always"


def rules_for_testers(story: Story) -> list[Object]:
    """Return the rules of the route that ask for the header."""
    asked = [{"type": "Exact", "name": "X-Canary", "value": "always"}]
    return [
        rule for rule in route(story)["spec"]["rules"] if any(one.get("headers") == asked for one in rule["matches"])
    ]


def test_testers_see_a_canary_first_and_then_others_do(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed, steps=(0,), match=HEADER).deploy()
    assert weights(routed) == {"app-stable": 1}
    (rule,) = rules_for_testers(routed)
    assert [one["name"] for one in rule["backendRefs"]] == ["app-canary"]
    (shown,) = routed.release(names=("app",)).status().workloads
    assert shown.problems == ()

    with pytest.raises(InputError, match="in progress has header:X-Canary=always, and not header:X-Canary=never"):
        by_route(routed, match="header:X-Canary=never").deploy()
    by_route(routed, steps=(5,)).deploy()
    assert weights(routed) == {"app-stable": 18, "app-baseline": 1, "app-canary": 1}
    assert len(rules_for_testers(routed)) == 1
    told = [one.detail for one in routed.heard(Written) if one.kind == "HTTPRoute"]
    assert told[-1] == "5 % of requests each to canary and baseline, those with X-Canary: always to the canary"

    routed.release(names=("app",)).reject()
    left_nothing(routed, before)


def test_no_tester_is_sent_to_variants_that_are_about_to_be_deleted(routed: Story) -> None:
    seen: list[tuple[dict[str, int], list[Object]]] = []

    def note(kind: Any, *_: Any, **__: Any) -> None:
        if kind == DEPLOYMENT:
            seen.append((weights(routed), rules_for_testers(routed)))

    by_route(routed, match=HEADER).deploy()
    routed.release(names=("app",), cluster=Faulty(routed.cluster, {"delete": note})).reject()
    assert seen == [({"app-stable": 1}, [])] * 2


def test_an_edit_survives_the_end_and_the_rule_for_testers_does_not(routed: Story) -> None:
    by_route(routed, match=HEADER).deploy()
    edit(routed, set_timeout)
    routed.release(names=("app",)).reject()
    (rule,) = route(routed)["spec"]["rules"]
    assert rule["timeouts"] == {"request": "3s"}
    assert [one["name"] for one in rule["backendRefs"]] == ["app"]


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
    assert routed.names() == {"app"}
    assert services(routed) == {"app"}
    assert routed.heard(Note)[-1].text.endswith("has not seen its last change; the release ends nevertheless")


def test_a_reject_after_a_restart_leads_requests_to_the_pods_that_there_are_now(routed: Story) -> None:
    before = state(route(routed))
    by_route(routed).deploy()
    restart(routed)
    routed.simulator.lost_requests(routed.namespace).clear()  # nobody followed stable
    routed.release(names=("app",)).reject()
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


def test_stable_that_is_scaled_keeps_its_share(routed: Story) -> None:
    by_route(routed).deploy()
    routed.cluster.scale("app", 7)
    routed.simulator.settle()
    first = stable_selects(routed)
    by_route(routed, gate=Person(promote=False)).run()
    assert "pod-template-hash" in first
    assert not [one for one in routed.heard(Looked) if "rolled out" in one.waiting_for]


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
    assert 2 <= rejected_after(routed) <= 4
    assert not [note for note in routed.heard(Note) if "still answer" in note.text]


def test_variants_that_still_answer_are_waited_for_in_vain_and_then_deleted(routed: Story) -> None:
    was = state(route(routed))
    assert 20 <= rejected_after(routed) <= 24
    assert [note.text for note in routed.heard(Note) if note.warning] == [
        "canary and baseline of app still answer requests, which do not come by the route"
    ]
    left_nothing(routed, was)


def test_where_no_counts_can_be_read_a_controller_gets_five_seconds(routed: Story) -> None:
    routed.counts.problem[Variant.CANARY] = "connection refused"
    assert 5 <= rejected_after(routed) <= 8


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


def test_a_route_that_is_not_there_is_refused(routed: Story) -> None:
    refused(routed, "there is no HTTPRoute shop in namespace NS (the HTTPRoutes there are app)", route="shop")


def test_more_than_all_requests_are_refused(routed: Story) -> None:
    refused(
        routed,
        "60 % for the canary and as much for the baseline are more than all requests: with --traffic gateway, the "
        "limit is 50",
        steps=(5, 60),
    )


def refused(story: Story, message: str, **options: Any) -> None:
    version, names = story.deployment()["metadata"]["resourceVersion"], services(story)
    with pytest.raises(CanaryError) as error:
        by_route(story, **options).deploy()
    assert str(error.value) == message.replace("NS", story.namespace)
    assert story.names() == {"app"}
    assert services(story) == names
    assert story.deployment()["metadata"]["resourceVersion"] == version


def test_a_route_elsewhere_is_refused(routed: Story) -> None:
    edit(routed, lambda spec: spec["rules"][0]["backendRefs"][0].update(name="other"))
    routed.cluster.create(service("other", 8080) | {"spec": {"selector": {"app": "other"}, "ports": [{"port": 8080}]}})
    routed.simulator.settle()
    refused(
        routed,
        "HTTPRoute app sends no requests to app: the Services of app are app. It must have one of its Services as a "
        "backend",
    )


def test_a_route_with_a_backend_that_is_missing_is_refused(routed: Story) -> None:
    edit(routed, lambda spec: spec["rules"][0]["backendRefs"].append({"name": "gone", "port": 80, "weight": 1}))
    refused(routed, "HTTPRoute app is not served: Gateway entry says BackendNotFound: no Service gone")


def test_a_route_whose_last_change_no_controller_has_seen_is_refused(routed: Story) -> None:
    routed.cluster.annotate(HTTP_ROUTE, "app", {MUTE: "yes"})
    edit(routed, set_timeout)
    refused(routed, "HTTPRoute app is not served: the controller of Gateway entry has not seen its last change")


class Lacking:
    """A cluster whose account lacks a permission, or that lacks a kind."""

    def __init__(self, story: Story, right: tuple[str, str, str] | None = None, kind: Any = None) -> None:
        self._cluster, self._right, self._kind = story.cluster, right, kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def may(self, verb: str, group: str, resource: str, name: str = "", **_: Any) -> bool:
        return (verb, resource, name) != self._right and self._cluster.may(verb, group, resource, name)

    def serves(self, kind: Any) -> bool:
        return kind != self._kind and self._cluster.serves(kind)


def test_a_cluster_without_the_gateway_api_is_refused(routed: Story) -> None:
    refused(
        routed,
        "the cluster has no HTTPRoute of gateway.networking.k8s.io/v1: --traffic gateway needs the Gateway API and a "
        "controller for it. Without them, use --traffic pods",
        cluster=Lacking(routed, kind=HTTP_ROUTE),
    )


def test_a_release_can_end_in_a_cluster_that_has_lost_the_gateway_api(routed: Story) -> None:
    by_route(routed).deploy()
    routed.release(names=("app",), cluster=Lacking(routed, kind=HTTP_ROUTE)).reject()
    assert routed.names() == {"app"}
    assert services(routed) == {"app"}


@pytest.mark.parametrize(
    "right",
    [
        ("update", "httproutes", "app"),
        ("update", "services", "app-stable"),
        ("delete", "services", "app-canary"),
        ("list", "endpointslices", ""),
    ],
)
def test_a_permission_that_is_missing_is_named_before_anything_is_written(
    routed: Story, right: tuple[str, str, str]
) -> None:
    verb, resource, name = right
    groups = {"httproutes": ".gateway.networking.k8s.io", "endpointslices": ".discovery.k8s.io"}
    missing = f"{verb} {resource}{groups.get(resource, '')} {name}".rstrip()
    refused(
        routed,
        f"this account may not {missing}, which is needed to divide the requests by a route. Nothing was changed. To "
        "grant these permissions, use the Role sampleapp-route in pipeline/rbac.yml",
        cluster=Lacking(routed, right),
    )


def test_a_class_without_a_controller_is_named(routed: Story) -> None:
    routed.cluster.annotate(HTTP_ROUTE, "app", {MUTE: "yes"})
    edit(routed, set_timeout)
    name = f"gone-{routed.namespace}"
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    for kind, own, spec in (
        (GATEWAY_CLASS, name, {"controllerName": "e.com/gone"}),
        (GATEWAY, "entry", {"gatewayClassName": name, "listeners": [listener]}),
    ):
        made = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": own}, "spec": spec}
        routed.cluster.create(made)
    refused(
        routed,
        "HTTPRoute app is not served: the controller of Gateway entry has not seen its last change. No controller "
        "serves GatewayClass gone-NS: e.com/gone is not running",
    )


def test_a_service_of_the_name_that_is_needed_is_refused(routed: Story) -> None:
    routed.cluster.create(service("app-stable"))
    refused(
        routed,
        "Service app-stable is not of a release (it has no annotation canary-lab/route), and the release needs that "
        "name: rename the Service, or delete it",
    )


def test_a_service_twice_in_one_rule_is_refused(routed: Story) -> None:
    edit(routed, lambda spec: spec["rules"][0]["backendRefs"].append({"name": "app", "port": 8080, "weight": 1}))
    refused(routed, "HTTPRoute app names Service app several times in one rule: merge its backends")


def test_several_deployments_at_once_are_refused(routed: Story) -> None:
    with pytest.raises(InputError) as error:
        routed.release(deployment("app:2"), deployment("web:2", name="web"), route="app", steps=(5,)).deploy()
    assert str(error.value) == (
        "--traffic gateway releases one Deployment at a time, and the manifests have app and web: release each by "
        "itself, or use --traffic pods"
    )


def test_a_route_that_another_release_divides_is_refused(routed: Story) -> None:
    routed.stable(service("web"), deployment("web:1", name="web"))
    edit(routed, lambda spec: spec["rules"].append({"backendRefs": [{"name": "web", "port": 8080, "weight": 1}]}))
    by_route(routed).deploy()
    with pytest.raises(InputError) as error:
        routed.release(deployment("web:2", name="web"), route="app", steps=(5,)).deploy()
    assert str(error.value) == (
        "HTTPRoute app divides the requests of a release of app, and only one release at a time can divide a route: "
        "wait until that one has ended, or end it: canary reject app. Or give web an HTTPRoute of its own"
    )


def test_the_other_way_to_divide_is_refused_during_a_release(routed: Story) -> None:
    by_route(routed).deploy()
    with pytest.raises(InputError, match=r"a release of app by HTTPRoute app is in progress. To end it: canary reject"):
        by_route(routed, route="", steps=(50,)).deploy()
    routed.release(names=("app",)).reject()
    by_route(routed, route="", steps=(50,)).deploy()
    with pytest.raises(InputError, match=r"a release of app by numbers of pods is in progress. To continue it, omit"):
        by_route(routed).deploy()


def test_after_an_interrupted_begin_a_release_by_pods_is_refused_and_reject_cleans_up(routed: Story) -> None:
    was = state(route(routed))
    with pytest.raises(InterruptedReleaseError):
        by_route(routed, cluster=Killed(routed.cluster, 4, before=False)).deploy()
    assert weights(routed) == {"app-stable": 1}
    with pytest.raises(InputError, match=r"a release of app by HTTPRoute app is in progress. To end it: canary reject"):
        routed.release(service(), deployment("app:2"), steps=(50,)).deploy()
    routed.release().reject()
    left_nothing(routed, was)


def test_a_dry_run_shows_the_services_and_the_route(routed: Story) -> None:
    before = state(route(routed))
    written = by_route(routed).planned("deploy")
    assert [(one["kind"], one["metadata"]["name"]) for one in written] == [
        ("Service", "app-stable"),
        ("Service", "app-baseline"),
        ("Service", "app-canary"),
        ("Deployment", "app-canary"),
        ("Deployment", "app-baseline"),
        ("HTTPRoute", "app"),
    ]
    assert [one["weight"] for one in written[-1]["spec"]["rules"][0]["backendRefs"]] == [18, 1, 1]
    left_nothing(routed, before)
