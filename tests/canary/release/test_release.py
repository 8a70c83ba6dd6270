"""A release from beginning to end."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from itertools import count, groupby
from typing import Any

import pytest

from canary.errors import ClusterError, InputError, InterruptedReleaseError, TimedOutError
from canary.events import Answer, KeepsWatching, Note, Promoted, Ready, Rejected, Started, Waiting, Written
from canary.marks import Variant
from canary.state.last_promote import unfinished_digest
from canary.verdict.comparison import Decision, Verdict
from tests.canary.cluster_simulator import died, unready, waiting
from tests.canary.interruption import InterruptedAfter
from tests.canary.story import Faulty, Person, Story, config_map, deployment, service


def test_a_canary_as_good_as_its_baseline_is_promoted(story: Story) -> None:
    story.stable(service(), deployment("app:1"))

    outcome = story.release(service(), deployment("app:2")).run()

    assert outcome.promoted
    assert outcome.by == "auto"
    assert story.names() == {"app"}
    assert story.deployment()["spec"]["template"]["spec"]["containers"][0]["image"] == "app:2"
    assert [event.images for event in story.heard(Promoted)] == [("app:2",)]


def test_a_canary_worse_than_its_baseline_is_rejected_and_stable_is_not_touched(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    before = story.deployment()
    story.counts.good[Variant.CANARY] = 0.5

    outcome = story.release(service(), deployment("app:2")).run()

    assert not outcome.promoted
    assert story.names() == {"app"}
    assert story.deployment()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert [event.deleted for event in story.heard(Rejected)] == [("app-baseline", "app-canary")]


def test_a_person_s_answer_goes_before_the_verdict(story: Story) -> None:
    story.stable(deployment("app:1"))
    nobody = Person(promote=False)
    outcome = story.release(deployment("app:2"), gate=nobody).run()
    assert (outcome.promoted, outcome.by) == (False, "ada")
    assert [verdict.decision for verdict in nobody.asked] == [Decision.PROMOTE]
    assert story.names() == {"app"}
    assert story.heard(Rejected)[0].reason == "by ada (verdict: PROMOTE, equal)"

    story.counts.good[Variant.CANARY] = 0.1
    assert story.release(deployment("app:3"), gate=Person(promote=True)).run().promoted
    assert story.deployment()["spec"]["template"]["spec"]["containers"][0]["image"] == "app:3"


class Watcher(Person):
    """A gate of somebody who keeps watching a few times before deciding."""

    def __init__(self, story: Story, times: int, promote: bool) -> None:
        super().__init__(promote)
        self.at: list[float] = []
        self._story, self._times = story, times

    def decide(self, verdict: Verdict, elsewhere: Any) -> Answer:
        self.at.append(self._story.clock.now())
        decided = super().decide(verdict, elsewhere)
        return KeepsWatching("ada") if len(self.at) <= self._times else decided


def test_who_keeps_watching_is_asked_again_after_another_minimum_of_time(story: Story) -> None:
    story.stable(deployment("app:1"))
    watcher = Watcher(story, times=3, promote=True)
    assert story.release(deployment("app:2"), gate=watcher, min_duration=10, max_duration=25).run().promoted
    first, second, third, fourth = watcher.at
    assert second - first >= 10
    assert third - second >= 10
    assert fourth - first > 25, "the longest time that nobody is asked does not end it"
    assert watcher.asked[1].comparisons[0].canary.total > watcher.asked[0].comparisons[0].canary.total


def test_who_keeps_watching_is_asked_again_as_soon_as_the_verdict_changes(story: Story) -> None:
    story.stable(deployment("app:1"))
    watcher = Watcher(story, times=2, promote=False)
    release = story.release(deployment("app:2"), gate=watcher, min_duration=200, min_requests=50, max_duration=1000)
    story.clock.after(201, lambda: story.counts.good.update({Variant.CANARY: 0.0}))
    assert not release.run().promoted
    assert [verdict.decision for verdict in watcher.asked] == [
        Decision.PROMOTE,
        Decision.UNDECIDED,
        Decision.REJECT,
    ]
    assert watcher.at[2] - watcher.at[0] < 200


def test_who_keeps_watching_is_asked_at_once_when_the_canary_crashes(story: Story) -> None:
    story.stable(deployment("app:1"))
    watcher = Watcher(story, times=1, promote=False)
    release = story.release(deployment("app:2"), gate=watcher, min_duration=200, max_duration=1000)

    def crash() -> None:
        story.simulator.set_status(story.namespace, "app-canary", lambda status: unready(died("Error", 3)(status)))

    story.clock.after(201, crash)
    assert not release.run().promoted
    assert [verdict.decision for verdict in watcher.asked] == [Decision.PROMOTE, Decision.REJECT]
    assert watcher.at[1] - watcher.at[0] < 200


def test_a_promote_against_the_verdict_is_told_by_status_until_a_proven_one(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.counts.good[Variant.CANARY] = 0.1
    story.release(deployment("app:2"), gate=Person(promote=True)).run()
    [app] = story.release(names=("app",)).status().workloads
    assert ": ada promoted against the verdict: canary 10.0 % good vs baseline 90.0 %" in app.unproven

    story.counts.good[Variant.CANARY] = 0.9
    story.release(deployment("app:3"), gate=Person(promote=True)).run()
    assert story.release(names=("app",)).status().workloads[0].unproven == ""


def test_a_first_release_is_promoted_by_itself_once_it_has_answered(story: Story) -> None:
    outcome = story.release(service(), deployment("app:1")).run()
    assert outcome.promoted
    assert outcome.verdict.comparisons == ()
    assert story.names() == {"app"}


def test_a_first_release_that_nobody_asks_anything_stays_a_canary(story: Story) -> None:
    story.counts.each = 0
    with pytest.raises(TimedOutError, match="0 of 1 requests"):
        story.release(service(), deployment("app:1"), max_duration=20).run()
    assert story.names() == {"app-canary"}


def test_events_tell_the_story_in_order(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).run()
    told = [type(event).__name__ for event in story.events if not isinstance(event, Waiting)]
    assert [name for name, _ in groupby(told)] == [
        "Started", "Note", "Written", "Ready", "Deployed",
        "Started", "Note", "Looked", "Judged",
        "DecisionAsked", "Decided",
        "Started", "Recalled", "Written", "Ready", "Written", "Promoted",
    ]  # fmt: skip
    assert [event.action for event in story.heard(Started)] == ["deploy", "watch", "promote"]


@pytest.mark.long
def test_a_driver_killed_after_any_of_its_writes_is_gone_on_from(story: Story) -> None:
    for n in count(1):
        story.stable(deployment("app:1", replicas=1))
        doomed = InterruptedAfter(story.cluster, n)
        with contextlib.suppress(InterruptedReleaseError):
            story.release(deployment("app:2", replicas=1), cluster=doomed, min_duration=0).run()
        if doomed.left > 0:
            break
        outcome = story.release(deployment("app:2", replicas=1), min_duration=0).run()
        assert outcome.promoted, f"killed after write {n}"
        assert story.names() == {"app"}, f"killed after write {n}"
        assert story.deployment()["spec"]["template"]["spec"]["containers"][0]["image"] == "app:2"
        assert unfinished_digest(story.cluster, "app") is None
    assert n > 10


def test_an_interrupted_reject_is_gone_on_with_and_not_tried_anew(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.counts.good[Variant.CANARY] = 0.1

    def interrupt(_kind: Any, name: str, **_: Any) -> None:
        if name == "app-canary":
            raise KeyboardInterrupt

    with pytest.raises(InterruptedReleaseError, match="canary reject"):
        story.release(deployment("app:2"), cluster=Faulty(story.cluster, {"delete": interrupt})).run()
    story.counts.good[Variant.CANARY] = 1.0

    outcome = story.release(deployment("app:2")).run()

    assert (outcome.promoted, outcome.verdict.decision) == (False, Decision.REJECT)
    assert story.names() == {"app"}


def test_apply_writes_everything_and_waits(story: Story) -> None:
    story.release(service(), config_map(colour="red"), deployment("app:1")).apply()
    assert [(event.name, event.action) for event in story.heard(Written)] == [
        ("app", "created"),
        ("settings", "created"),
        ("app", "created"),
    ]
    assert story.deployment()["status"]["readyReplicas"] == 4
    story.events.clear()

    story.release(service(), config_map(colour="blue"), deployment("app:1")).apply()

    assert [event.action for event in story.heard(Written)] == ["unchanged", "configured", "unchanged"]


def test_apply_of_what_has_no_deployment_does_not_wait(story: Story) -> None:
    story.release(config_map(colour="red")).apply()
    assert [event.name for event in story.heard(Written)] == ["settings"]
    assert story.heard(Ready) == []


def test_apply_says_what_does_not_get_ready(story: Story) -> None:
    story.simulator.script["app:1"] = waiting("ErrImagePull", "not found")
    with pytest.raises(TimedOutError, match="ErrImagePull"):
        story.release(deployment("app:1")).apply()


def test_a_person_who_overrules_the_verdict_has_decided(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.counts.good[Variant.CANARY] = 0.1
    outcome = story.release(deployment("app:2"), gate=Person(promote=True)).run()
    assert (outcome.promoted, outcome.by, outcome.verdict.decision) == (True, "ada", Decision.REJECT)
    assert not any("as you asked" in note.text for note in story.heard(Note))


@pytest.mark.parametrize("action", ["deploy", "run", "apply"])
def test_an_image_without_a_tag_is_refused_before_anything_is_written(story: Story, action: str) -> None:
    story.stable(deployment("app:1"))
    with pytest.raises(InputError) as error:
        getattr(story.release(deployment("registry:5000/app")), action)()
    assert str(error.value) == (
        "test.yml:0: image registry:5000/app of Deployment app has no tag: pass the one that you want, such as --image "
        "registry:5000/app:1.2. (registry:5000/app:latest is allowed, but each node may run a different version)"
    )
    assert story.names() == {"app"}


@pytest.mark.parametrize("image", ["app@sha256:" + "0" * 64, "app:latest"])
def test_a_digest_is_as_good_as_a_tag_and_latest_is_taken_where_it_is_written(story: Story, image: str) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment(image)).deploy()
    assert story.names() == {"app", "app-baseline", "app-canary"}


def test_manifests_without_the_metrics_port_are_refused_before_anything_is_made(story: Story) -> None:
    story.stable(deployment("app:1"))
    bare = deployment("app:2")
    del bare["spec"]["template"]["spec"]["containers"][0]["ports"]
    with pytest.raises(InputError, match=r"test.yml:0: Deployment app has no container port 'metrics'.*--prometheus"):
        story.release(bare).run()
    assert story.names() == {"app"}

    story.release(bare).deploy()  # who watches may yet ask Prometheus
    assert any(note.warning and "no container port 'metrics'" in note.text for note in story.heard(Note))
    story.release(names=("app",)).reject()
    story.release(bare, metrics_port="").deploy(promoting=True)


def test_a_stable_without_the_metrics_port_is_named_as_such(story: Story) -> None:
    bare = deployment("app:1")
    del bare["spec"]["template"]["spec"]["containers"][0]["ports"]
    story.stable(bare)
    with pytest.raises(InputError, match="stable app has no container port 'metrics', so its baseline"):
        story.release(deployment("app:2")).run()
    assert story.names() == {"app"}


def test_an_error_that_leaves_variants_says_so_and_how_to_go_on(story: Story) -> None:
    story.stable(deployment("app:1"))

    class Broken:
        def read(self, pods: Any, since: float) -> Any:
            raise ClusterError("no such Prometheus")

        def exposed(self, pods: Any) -> Any:
            raise ClusterError("no such Prometheus")

    release = replace(story.release(deployment("app:2")), samples=Broken())
    with pytest.raises(ClusterError) as error:
        release.run()
    assert str(error.value) == (
        "no such Prometheus. Canary and baseline are still running. Run the same command again to continue. "
        "To end the release: canary reject app"
    )
    with pytest.raises(InputError) as other:
        story.release(deployment("app:3")).deploy()
    assert "still running" not in str(other.value), "they are of another release"
