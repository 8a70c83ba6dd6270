"""What a console shows of a release, read from the cluster."""

from __future__ import annotations

import time
from typing import Any

import pytest

from canary.doctor.rights import CONSOLE, Task, each
from canary.errors import TimedOutError
from canary.events import Looked
from canary.marks import DECISION, Variant
from canary.notifications.kubernetes_events import KubernetesEvents
from canary.notifications.notification import Notifications
from canary.objects import DEPLOYMENT, Kind
from canary.release.overview import Action, Choice, Health, Overview, Phase, WorkloadOverview
from canary.release.read_overview import read_overview
from canary.settings.release_arguments import ReleaseArguments
from canary.verdict.comparison import Decision
from tests.canary.cluster_simulator import died, unready, waiting
from tests.canary.drivers import ADA, Entered, lock, nobody_has
from tests.canary.release.gates import Asked, Waiting, bob, recorded
from tests.canary.story import Counts, Story, deployment, secret

OLD, NEW = deployment("app:1"), deployment("registry.example:5000/team/app:2")


def seen(story: Story, *names: str) -> Overview:
    return read_overview(story.cluster, story.options, names, story.clock.now(), has_ended=nobody_has)


def app(story: Story) -> WorkloadOverview:
    (one,) = seen(story).workloads
    return one


def sign(one: WorkloadOverview, topic: str) -> Health:
    return next(health for health in one.health if health.topic == topic)


def choice(one: WorkloadOverview, action: Action) -> Choice:
    return next(choice for choice in one.choices if choice.action is action)


@pytest.fixture
def released(story: Story) -> Story:
    """Give a namespace in which canary and baseline of app run, and nobody compares them."""
    story.stable(OLD)
    story.release(NEW).deploy()
    return story


def test_without_a_release_stable_is_shown_and_there_is_nothing_to_decide(story: Story) -> None:
    story.stable(OLD)
    idle = app(story)
    assert (idle.phase, idle.headline) == (Phase.IDLE, "No release in progress; stable runs app:1")
    assert (idle.choices, idle.metrics, idle.health) == ((), (), ())
    assert [one.status.variant for one in idle.variants] == [Variant.STABLE]


def test_a_namespace_without_anything_of_canary_has_no_workloads(story: Story) -> None:
    story.apply_as("kubectl", OLD)
    assert seen(story).workloads == ()
    assert [one.status.name for one in seen(story, "app").workloads] == ["app"]


def test_variants_and_pods_are_shown(released: Story) -> None:
    one = app(released)
    assert {variant.status.variant: len(variant.pods) for variant in one.variants} == {
        Variant.STABLE: 4,
        Variant.BASELINE: 2,
        Variant.CANARY: 2,
    }
    pod = one.variants[-1].pods[0]
    assert pod.images == ("registry.example:5000/team/app:2",)
    assert (pod.ready, pod.restarts, pod.reason) == (True, 0, "")


def test_a_pod_that_is_not_ready_says_why(story: Story) -> None:
    story.stable(OLD)
    story.simulator.script["app:2"] = waiting("ErrImagePull", "no such tag", restartCount=3)
    with pytest.raises(TimedOutError):
        story.release(deployment("app:2")).deploy()
    pod = app(story).variants[-1].pods[0]
    assert (pod.ready, pod.restarts, pod.reason) == (False, 3, "ErrImagePull: container app: no such tag")


def test_a_driver_that_has_not_looked_yet_is_starting(released: Story) -> None:
    driver = Entered(lock(released), released)
    driver.enter()
    one = app(released)
    driver.leave()
    assert (one.phase, one.headline) == (Phase.STARTING, "app:2 is starting next to app:1")
    text = f"{ADA.name} works on it; last sign of life 0 s ago."
    assert sign(one, "lock") == Health("lock", is_problem=False, text=text)


@pytest.mark.parametrize(
    ("good", "decision", "headline"),
    [
        (0.2, "REJECT", "app:2 is worse than app:1"),
        (0.9, "PROMOTE", "app:2 is as good as app:1, within the tolerance"),
        (1.0, "PROMOTE", "app:2 is better than app:1"),
    ],
)
def test_the_headline_says_which_version_is_better(released: Story, good: float, decision: str, headline: str) -> None:
    released.counts.good[Variant.CANARY] = good
    released.release(names=("app",), min_duration=60).watch()
    one = app(released)
    assert (one.status.verdict, one.headline) == (decision, headline)
    (metric,) = one.metrics
    assert metric.comparison.decision == decision
    assert metric.counts.looks[-1].canary == metric.comparison.canary
    assert one.seen_at == released.heard(Looked)[-1].at


def test_no_difference_yet_says_so_and_what_it_waits_for(released: Story) -> None:
    released.counts.each = 10
    with pytest.raises(TimedOutError):
        released.release(names=("app",), max_duration=20, min_requests=1000, min_duration=0).watch()
    one = app(released)
    assert (one.phase, one.headline) == (Phase.LEFT, "No clear difference between app:2 and app:1 yet")
    assert one.waiting_for == f"app-baseline: {one.variants[1].total:.0f} of 1000 requests"
    (metric,) = one.metrics
    assert metric.forecast
    assert metric.forecast.decision is Decision.PROMOTE
    assert sign(one, "looks").is_problem
    assert sign(one, "requests").text == "Requests per second: canary 10.0, baseline 10.0."


def test_few_scrapes_are_a_problem_until_there_is_a_decision(released: Story) -> None:
    with pytest.raises(TimedOutError):
        released.release(names=("app",), max_duration=4).watch()
    assert sign(app(released), "requests").text.startswith("Too few to decide: 3 of at least 8 scrapes with answers")
    released.counts.good[Variant.CANARY] = 0.0
    released.release(names=("app",)).watch()
    decided = app(released)
    assert decided.status.verdict == "REJECT"
    assert not sign(decided, "requests").is_problem


def test_no_requests_and_missing_scrapes_are_problems_and_named(released: Story) -> None:
    released.counts.each = 0
    released.counts.problem[Variant.CANARY] = "connection refused"
    with pytest.raises(TimedOutError):
        released.release(names=("app",), max_duration=10).watch()
    one = app(released)
    pods = ", ".join(sorted(pod.name for pod in one.variants[-1].pods))
    assert sign(one, "scrapes") == Health(
        "scrapes", is_problem=True, text=f"Counts are missing from {pods}: connection refused."
    )
    assert one.headline == "No requests to compare yet"


def test_a_variant_that_leaves_requests_unanswered_is_a_problem(released: Story) -> None:
    released.counts.each, released.counts.answered[Variant.CANARY] = 1000, 0.05
    with pytest.raises(TimedOutError):
        released.release(names=("app",), min_duration=200, max_duration=200).watch()
    one = app(released)
    assert sign(one, "traffic").is_problem
    assert one.headline == "No decision: app:2 or app:1 may not answer"


def test_a_dead_driver_is_a_problem(released: Story) -> None:
    driver = Entered(lock(released), released)
    driver.enter()
    released.clock.time += 61
    one = app(released)
    driver.leave()
    assert one.phase is Phase.LEFT
    assert sign(one, "lock").text == (
        f"{ADA.name} may have died: it has not renewed its lock for 61 s. Another driver can take over."
    )


def test_where_nobody_works_reject_works_and_promote_shows_its_command(released: Story) -> None:
    one = app(released)
    promote, reject = one.choices
    assert (promote.action, promote.consequence) == (Action.PROMOTE, "replace 4 stable pods with app:2")
    assert promote.why_not.startswith("A promote needs the manifests")
    assert promote.command == "canary promote MANIFESTS --image registry.example:5000/team/app:2"
    assert reject == Choice(
        Action.REJECT, "delete 2 canary pods and 2 baseline pods; stable is not touched", command="canary reject app"
    )


def test_while_a_driver_works_reject_takes_its_lock_and_needs_the_name(released: Story) -> None:
    driver = Entered(lock(released), released)
    driver.enter()
    one = app(released)
    driver.leave()
    assert choice(one, Action.PROMOTE).why_not.startswith(f"{ADA.name} is still comparing")
    reject = choice(one, Action.REJECT)
    assert (reject.confirm, reject.command) == ("app", "canary reject app --break-lock")
    assert reject.warning == f"{ADA.name} is at work: this takes the lock away from it, so that it stops"


@pytest.mark.parametrize(("good", "confirm"), [(0.9, ""), (0.2, "app")])
def test_at_the_gate_only_a_promote_against_the_verdict_needs_the_name(story: Story, good: float, confirm: str) -> None:
    story.stable(OLD)
    story.counts.good[Variant.CANARY] = good
    arguments = ReleaseArguments(("m.yml",), release=("--min-duration", "90s"))
    with Waiting(story, (NEW,), arguments=arguments):
        one = app(story)
        bob(story, names=("app",)).reject()
    assert one.phase is Phase.WAITING
    assert [choice.action for choice in one.choices] == list(Action)
    assert not any(choice.why_not for choice in one.choices)
    assert choice(one, Action.PROMOTE).confirm == confirm
    assert choice(one, Action.REJECT).confirm == ""
    assert choice(one, Action.WATCH).consequence == (
        "take more looks; asks again in about 90 s, or when the verdict changes"
    )


def test_a_decision_that_waits_for_its_driver_is_shown_in_place_of_the_buttons(story: Story) -> None:
    story.stable(OLD)
    seen_choices: list[Choice] = []

    def decided() -> None:
        recorded(story, promote=True)
        seen_choices.extend(app(story).choices)

    assert story.release(NEW, gate=Asked([decided]), lock=lock(story)).run().promoted
    why = f"bob@build-7 has already decided to promote app. {ADA.name} carries it out"
    assert [choice.why_not for choice in seen_choices] == [why, why]


def test_a_decision_that_cannot_be_read_is_a_problem_and_all_else_is_shown(story: Story) -> None:
    story.stable(OLD)
    shown: list[WorkloadOverview] = []

    def look() -> None:
        story.cluster.annotate(DEPLOYMENT, "app-canary", {DECISION: "nonsense"})
        shown.append(app(story))
        story.cluster.annotate(DEPLOYMENT, "app-canary", {DECISION: None})
        recorded(story, promote=True)

    assert story.release(NEW, gate=Asked([look]), lock=lock(story)).run().promoted
    assert shown[0].phase is Phase.WAITING
    (problem,) = shown[0].status.problems
    assert f"annotation {DECISION} of Deployment app-canary cannot be read" in problem


def test_workloads_of_one_release_are_shown_together_the_worst_one_first(story: Story) -> None:
    shop = deployment("shop:2", name="shop", replicas=2)
    story.stable(OLD, deployment("shop:1", name="shop", replicas=2))
    story.release(NEW, shop).deploy()
    story.release(names=("app", "shop")).watch()
    overview = seen(story, "shop")
    assert [one.status.name for one in overview.workloads] == ["app", "shop"]
    for one in overview.workloads:
        assert choice(one, Action.PROMOTE).consequence == (
            "replace 4 stable pods of app with app:2 and replace 2 stable pods of shop with shop:2"
        )
        assert one.metrics[0].counts.comparisons == 2
        assert choice(one, Action.REJECT).command == "canary reject app shop"


def test_metrics_come_with_the_worst_one_first(story: Story) -> None:
    story.stable(OLD)
    story.release(NEW).deploy()
    story.counts = Counts(story.clock)
    story.release(names=("app",)).watch()
    assert [one.comparison.metric for one in app(story).metrics] == ["success"]


def test_what_drivers_did_is_shown_newest_first_and_tells_how_it_ended(released: Story) -> None:
    own = released.simulator.cluster(released.namespace)
    events = KubernetesEvents(own, own.close)
    told = Notifications("ada@laptop", time.time, lambda name: own.get(DEPLOYMENT, f"{name}-canary"))
    released.release(names=("app",)).reject("the colour is wrong")
    for event in released.events:
        for notification in told.of(event):
            events.send(notification)
    events.close()
    one = app(released)
    assert [happening.text.partition(":")[0] for happening in one.happenings] == ["rejected app", "deployed app-canary"]
    assert one.happenings[0].is_warning
    assert one.headline == "The canary was rejected; stable runs app:1"


def test_no_value_of_a_secret_gets_in(story: Story) -> None:
    container: Any = deployment("app:2")
    container["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "TOKEN", "value": "hunter2"}]
    story.stable(OLD, secret(value="old"))
    story.release(container, secret(value="hunter2")).deploy()
    story.release(names=("app",)).watch()
    assert "hunter2" not in repr(seen(story))


class Noted:
    """A cluster that notes what is read of it: the verb, the kind and the name."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.read: set[tuple[str, str, str]] = set()

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"an overview does not {name}")

    @property
    def namespace(self) -> str:
        return str(self._cluster.namespace)

    def get(self, kind: Kind, name: str) -> Any:
        self.read.add(("get", f"{kind.kind.lower()}s", name))
        return self._cluster.get(kind, name)

    def find(self, kind: Kind, **more: Any) -> Any:
        self.read.add(("list", f"{kind.kind.lower()}s", ""))
        return self._cluster.find(kind, **more)

    def events(self, obj: Any) -> Any:
        self.read.add(("list", "events", ""))
        return self._cluster.events(obj)

    def log(self, *arguments: Any, **more: Any) -> Any:
        self.read.add(("get", "pods/log", ""))
        return self._cluster.log(*arguments, **more)


def test_an_overview_reads_what_the_role_of_a_viewer_grants_and_nothing_else(released: Story) -> None:
    released.release(names=("app",)).watch()
    released.simulator.set_status(released.namespace, "app-canary", unready)
    released.simulator.set_status(released.namespace, "app-canary", died("Error", 1))
    noted = Noted(released.cluster)
    read_overview(noted, released.options, ("app",), released.clock.now(), has_ended=nobody_has)
    granted = each(right.of("app") for right in CONSOLE if right.task is Task.VIEW)
    assert noted.read | {("get", "deployments", "")} == {(verb, right.resource, name) for right, verb, name in granted}


def test_an_overview_takes_few_requests(released: Story) -> None:
    released.release(names=("app",)).watch()
    counted: list[str] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            if name in ("get", "find", "events", "log"):
                counted.append(name)
            return getattr(released.cluster, name)

    read_overview(Counting(), released.options, (), released.clock.now(), has_ended=nobody_has)
    assert len(counted) == 7
