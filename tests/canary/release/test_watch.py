"""What is seen of the variants, and when it may be acted on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from canary.errors import InputError, InterruptedReleaseError, TimedOutError
from canary.events import Judged, Looked, Note
from canary.marks import EXPIRES, Variant
from canary.objects import CONFIG_MAP, DEPLOYMENT
from canary.verdict.comparison import Decision
from canary.verdict.exposed_metrics import ExposedMetrics
from canary.verdict.measures import Measures, Metric
from tests.canary.cluster_simulator import Object, died, ready, unready, waiting
from tests.canary.release.looks import requests
from tests.canary.story import SUCCESS, Story, deployment


def runs(status: Object) -> Object:
    """The pod runs after all, and is ready."""
    return ready({**status, "phase": "Running"})


def test_each_look_shows_the_three_variants_and_what_the_verdict_waits_for(deployed: Story) -> None:
    deployed.release(names=("app",), interval=2, min_duration=20).watch()
    first, *_, last = deployed.heard(Looked)
    assert [(s.variant, s.ready, s.desired) for s in first.variants] == [
        (Variant.STABLE, 4, 4),
        (Variant.BASELINE, 2, 2),
        (Variant.CANARY, 2, 2),
    ]
    assert "20 s more to watch (20 s at least)" in first.waiting_for
    assert (last.elapsed, last.waiting_for) == (20, "")


def test_promote_waits_for_the_minimum_of_time_although_the_numbers_suffice(deployed: Story) -> None:
    deployed.counts.each = 5000
    verdict = deployed.release(names=("app",), min_duration=30).watch()
    assert verdict.decision is Decision.PROMOTE
    sufficed = [look.elapsed for look in deployed.heard(Looked) if look.verdict.decision is Decision.PROMOTE]
    assert sufficed[0] < sufficed[-1] == deployed.heard(Looked)[-1].elapsed == 30


def test_looks_that_are_rarer_than_once_a_minute_count_as_watching_too(deployed: Story) -> None:
    deployed.counts.each = 5000
    verdict = deployed.release(names=("app",), interval=90, min_duration=180, max_duration=3600).watch()
    assert verdict.decision is Decision.PROMOTE
    waited = [look.waiting_for for look in deployed.heard(Looked)][:3]
    assert waited == ["180 s more to watch (180 s at least)", "90 s more to watch (180 s at least)", ""]


def test_promote_waits_for_the_minimum_of_requests(deployed: Story) -> None:
    deployed.counts.each = 200
    deployed.release(names=("app",), min_duration=0, min_requests=5000).watch()
    assert requests(deployed.heard(Looked)[-1]) >= 5000
    assert "of 5000 requests" in deployed.heard(Looked)[0].waiting_for


def test_nothing_is_promoted_while_no_good_request_was_seen_on_either_side(deployed: Story) -> None:
    deployed.counts.good = dict.fromkeys(Variant, 0.0)
    with pytest.raises(TimedOutError):
        deployed.release(names=("app",), max_duration=60).watch()
    [judged] = deployed.heard(Judged)
    assert judged.verdict.decision is Decision.UNDECIDED
    assert judged.verdict.sentence.startswith("canary 0.0 % good vs baseline 0.0 %: equal")
    assert judged.verdict.sentence.endswith("; not promoted: no good request was seen on either side")


def test_a_canary_that_leaves_requests_unanswered_is_not_promoted_until_a_person_turns_the_check_off(
    deployed: Story,
) -> None:
    deployed.counts.each, deployed.counts.answered[Variant.CANARY] = 1000, 0.05
    with pytest.raises(TimedOutError, match=r"after 200 s: the canary answered 10,000 requests, the baseline 200,000,"):
        deployed.release(names=("app",), max_duration=200, min_duration=200).watch()
    *_, last = deployed.heard(Looked)
    assert (last.verdict.decision, last.forecast) == (Decision.UNDECIDED, None)
    assert "; not promoted: the canary answered " in last.verdict.sentence
    verdict = deployed.release(names=("app",), sample_ratio=False).watch()
    assert verdict.decision is Decision.PROMOTE


def test_a_selector_is_compared_with_what_the_pods_expose_before_anything_is_recorded(deployed: Story) -> None:
    good = Metric.share("success", 'requests_total{stauts!="bad"}', "requests_total", 0.05)
    deployed.counts.each, deployed.counts.good = 10_000, dict.fromkeys(Variant, 1.0)
    release = deployed.release(
        names=("app",), measures=Measures.of([good]), min_requests=10**9, no_traffic_after=10**9, min_duration=300
    )
    with pytest.raises(InputError, match=r"has a label stauts .*Its only label is custom_status"):
        release.watch()
    kept = str(deployed.cluster.find(CONFIG_MAP))
    assert "UNDECIDED" in kept
    assert "PROMOTE" not in kept


def test_a_misspelt_selector_is_reported_before_what_its_counts_would_mean(deployed: Story) -> None:
    good = Metric.share("success", 'requests_total{stauts="good"}', "requests_total", 0.05)
    deployed.counts.good = dict.fromkeys(Variant, 0.0)  # it matches nothing
    with pytest.raises(InputError, match="has a label stauts"):
        deployed.release(names=("app",), measures=Measures.of([good])).watch()
    assert [note.text for note in deployed.heard(Note) if "every canary is promoted" in note.text] == []


def test_requests_are_waited_for_as_long_from_the_beginning_of_each_watch(deployed: Story) -> None:
    """A watch long after the deploy comes before its requests, too."""
    missing = Metric.share("success", "hits_total", "hits_total", 0.05)
    deployed.counts.each = 0
    deployed.clock.sleep(1000)
    began = deployed.clock.now()
    with pytest.raises(InputError, match=r"No pod exposes a metric hits_total"):
        deployed.release(names=("app",), measures=Measures.of([missing]), no_traffic_after=40).watch()
    assert deployed.clock.now() - began == 40


def test_reject_waits_for_neither_time_nor_requests(deployed: Story) -> None:
    deployed.counts.good[Variant.CANARY] = 0.1
    verdict = deployed.release(names=("app",), min_duration=300, min_requests=10_000).watch()
    assert verdict.decision is Decision.REJECT
    last = deployed.heard(Looked)[-1]
    assert last.elapsed < 20
    assert "of 10000 requests" in last.waiting_for


def test_what_stays_undecided_is_a_timeout_that_leaves_the_variants(deployed: Story) -> None:
    deployed.counts.each = 1
    with pytest.raises(TimedOutError, match=r"undecided after 20 s: .*canary reject app"):
        deployed.release(names=("app",), max_duration=20).watch()
    assert deployed.names() == {"app", "app-canary", "app-baseline"}
    assert deployed.heard(Judged)[0].verdict.decision is Decision.UNDECIDED


def test_a_watch_after_one_that_ran_out_of_time_has_as_long_again_and_all_that_was_counted(deployed: Story) -> None:
    deployed.counts.each = 1
    with pytest.raises(TimedOutError):
        deployed.release(names=("app",), max_duration=20).watch()
    counted, looks = requests(deployed.heard(Looked)[-1]), len(deployed.heard(Looked))
    deployed.events.clear()

    with pytest.raises(TimedOutError):
        deployed.release(names=("app",), max_duration=20).watch()

    assert len(deployed.heard(Looked)) == looks
    assert deployed.heard(Looked)[0].elapsed == 20
    assert requests(deployed.heard(Looked)[-1]) > counted


def test_the_last_look_is_known_as_such(deployed: Story) -> None:
    deployed.release(names=("app",)).watch()
    *before, last = deployed.heard(Looked)
    assert last.last
    assert not any(look.last for look in before)


def test_an_unready_canary_blocks_promote_and_is_named(deployed: Story) -> None:
    deployed.simulator.set_status(deployed.namespace, "app-canary", unready)
    deployed.until(lambda: (deployed.deployment("app-canary")["status"].get("readyReplicas") or 0) == 0)
    deployed.clock.after(20, lambda: deployed.simulator.set_status(deployed.namespace, "app-canary", ready))
    verdict = deployed.release(names=("app",)).watch()
    assert verdict.decision is Decision.PROMOTE
    assert deployed.heard(Looked)[-1].elapsed >= 20
    assert "app-canary: 0 of 2 pods ready" in deployed.heard(Looked)[0].waiting_for


def test_missing_counts_block_promote(deployed: Story) -> None:
    deployed.counts.problem[Variant.BASELINE] = "connection refused"
    with pytest.raises(TimedOutError):
        deployed.release(names=("app",), max_duration=20).watch()
    state = next(s for s in deployed.heard(Looked)[-1].variants if s.variant is Variant.BASELINE)
    assert len(state.missing) == 2
    assert all(event.verdict.decision is Decision.UNDECIDED for event in deployed.heard(Looked))


@pytest.mark.parametrize("reason", ["OOMKilled", "Error"])
def test_a_canary_that_answers_well_and_dies_is_rejected_with_the_reason(deployed: Story, reason: str) -> None:
    deployed.simulator.set_status(deployed.namespace, "app-canary", died(reason, 137))
    deployed.simulator.logs["app-canary"] = "out of luck\n"
    verdict = deployed.release(names=("app",)).watch()
    assert verdict.decision is Decision.REJECT
    assert f"{reason} (exit code 137)" in verdict.sentence
    assert "out of luck" in verdict.sentence


def test_a_pod_of_the_canary_that_is_evicted_is_a_reason_to_reject(deployed: Story) -> None:
    evicted = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}
    deployed.simulator.set_status(deployed.namespace, "app-canary", lambda status: status | evicted)
    verdict = deployed.release(names=("app",)).watch()
    assert verdict.decision is Decision.REJECT
    assert "Evicted: The node was low on memory." in verdict.sentence


def test_where_the_baseline_dies_as_well_the_counts_decide(deployed: Story) -> None:
    for variant in ("app-canary", "app-baseline"):
        deployed.simulator.set_status(deployed.namespace, variant, died("Error", 1))
    assert deployed.release(names=("app",)).watch().decision is Decision.PROMOTE


def test_no_requests_are_noticed_once_and_the_service_is_named(deployed: Story) -> None:
    deployed.counts.each = 0
    with pytest.raises(TimedOutError):
        deployed.release(names=("app",), max_duration=60, no_traffic_after=10).watch()
    [note] = deployed.heard(Note)
    assert note.warning
    assert note.text == "no requests in 10 s: is anything sending load to Service app?"


def test_requests_that_reach_stable_alone_come_from_clients_that_keep_their_connections(deployed: Story) -> None:
    deployed.counts.answered |= {Variant.BASELINE: 0.0, Variant.CANARY: 0.0}
    with pytest.raises(TimedOutError):
        deployed.release(names=("app",), max_duration=60, no_traffic_after=10).watch()
    [note] = deployed.heard(Note)
    assert note.warning
    assert note.text == (
        "no requests in 10 s to canary and baseline, although stable gets some: do clients of Service app keep "
        "connections open?"
    )


def test_no_requests_without_any_service_are_said_so(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.counts.each = 0
    with pytest.raises(TimedOutError):
        story.release(names=("app",), max_duration=20).watch()
    assert any("no Service selects the pods of app-canary" in note.text for note in story.heard(Note))


def test_no_counts_at_all_are_said_with_their_reason(deployed: Story) -> None:
    deployed.counts.problem = dict.fromkeys(Variant, "connection refused")
    with pytest.raises(TimedOutError):
        deployed.release(names=("app",), max_duration=20).watch()
    assert any("counts are missing" in note.text and "connection refused" in note.text for note in deployed.heard(Note))


def test_a_first_release_has_nothing_to_compare_and_ends_when_it_has_answered(story: Story) -> None:
    story.release(deployment("app:1")).deploy()
    story.counts.each = 10
    story.clock.after(20, lambda: setattr(story.counts, "each", 1))
    story.counts.each = 0
    verdict = story.release(names=("app",), min_requests=100).watch()
    assert (verdict.decision, verdict.comparisons) == (Decision.UNDECIDED, ())
    assert "nothing to compare (first release): it can be promoted once" in verdict.sentence
    assert "app-canary: 0 of 1 requests" in story.heard(Looked)[-2].waiting_for
    assert 0 < requests(story.heard(Looked)[-1]) < 100


def test_a_first_release_that_dies_is_rejected(story: Story) -> None:
    story.release(deployment("app:1")).deploy()
    story.simulator.set_status(story.namespace, "app-canary", died("Error", 1))
    assert story.release(names=("app",)).watch().decision is Decision.REJECT


def test_a_watch_after_a_killed_one_goes_on_with_its_counts_and_its_time(deployed: Story) -> None:
    def kill() -> None:
        raise KeyboardInterrupt

    deployed.clock.after(7, kill)
    with pytest.raises(InterruptedReleaseError, match="canary reject app"):
        deployed.release(names=("app",), min_duration=60).watch()
    counted, elapsed = requests(deployed.heard(Looked)[-1]), deployed.heard(Looked)[-1].elapsed
    deployed.events.clear()

    deployed.release(names=("app",), min_duration=60).watch()

    first = deployed.heard(Looked)[0]
    assert first.elapsed > elapsed
    assert requests(first) == counted + 200


def test_a_release_that_was_found_worse_stays_so(deployed: Story) -> None:
    deployed.counts.good[Variant.CANARY] = 0.1
    worse = deployed.release(names=("app",)).watch()
    deployed.counts.good[Variant.CANARY] = 1.0
    deployed.counts.each = 100_000
    deployed.clock.sleep(2)

    again = deployed.release(names=("app",)).watch()

    assert again.decision is Decision.REJECT
    assert again.sentence == worse.sentence


def test_watching_changes_nothing_of_a_deployment_but_when_the_canary_expires(deployed: Story) -> None:
    before = {name: deployed.deployment(name) for name in deployed.names()}
    deployed.release(names=("app",)).watch()
    for name, was in before.items():
        now = deployed.deployment(name)
        assert now["spec"] == was["spec"]
        assert {**now["metadata"]["annotations"], EXPIRES: ""} == {**was["metadata"]["annotations"], EXPIRES: ""}
    assert deployed.deployment("app")["metadata"]["resourceVersion"] == before["app"]["metadata"]["resourceVersion"]


def test_only_time_in_which_canary_and_baseline_tell_their_counts_is_watching(deployed: Story) -> None:
    freeze = deployed.counts.problem
    deployed.clock.after(7, lambda: freeze.update({Variant.CANARY: "its node does not answer"}))
    deployed.clock.after(33, freeze.clear)
    deployed.release(names=("app",), min_duration=20).watch()
    looks = deployed.heard(Looked)
    assert looks[-1].elapsed == 20 + 28, "the looks at 6 and 34 are the last before and the first after"


def test_a_baseline_without_a_pod_that_runs_is_not_watched(deployed: Story) -> None:
    deployed.simulator.set_status(deployed.namespace, "app-baseline", waiting("ContainerCreating"))
    deployed.clock.after(9, lambda: deployed.simulator.set_status(deployed.namespace, "app-baseline", runs))
    deployed.release(names=("app",), min_duration=20).watch()
    assert deployed.heard(Looked)[-1].elapsed == 30


@pytest.mark.parametrize(("away", "counts"), [(20, True), (600, False)])
def test_a_killed_driver_s_time_is_kept_and_a_long_absence_is_none(deployed: Story, away: float, counts: bool) -> None:
    def kill() -> None:
        raise KeyboardInterrupt

    deployed.clock.after(11, kill)
    with pytest.raises(InterruptedReleaseError):
        deployed.release(names=("app",), min_duration=60).watch()
    before = deployed.heard(Looked)[-1].elapsed
    deployed.clock.sleep(away)
    deployed.events.clear()

    deployed.release(names=("app",), min_duration=60).watch()

    first, *_, last = deployed.heard(Looked)
    gap = first.elapsed - before
    watched = before + (gap if counts else 0)
    assert f"{60 - watched:.0f} s more to watch (60 s at least)" in first.waiting_for
    assert last.at - first.at == pytest.approx(60 - watched, abs=2)


def test_a_canary_that_somebody_deletes_ends_the_watch(deployed: Story) -> None:
    deployed.clock.after(3, lambda: deployed.cluster.delete(DEPLOYMENT, "app-canary"))
    with pytest.raises(InputError, match="app has no canary"):
        deployed.release(names=("app",), min_duration=60).watch()


def test_without_any_release_there_is_nothing_to_watch(story: Story) -> None:
    with pytest.raises(InputError, match="no release is in progress"):
        story.release().watch()


def test_a_canary_without_a_metrics_port_is_said(story: Story) -> None:
    bare = deployment("app:1")
    del bare["spec"]["template"]["spec"]["containers"][0]["ports"]
    story.release(bare).deploy()
    with pytest.raises(InputError, match=r"app-canary has no container port 'metrics'.*--prometheus"):
        story.release(names=("app",)).watch()


def test_the_minimum_of_requests_holds_for_each_metric(deployed: Story) -> None:
    rare = Metric.share("rare", "rare_total", "rare_total", tolerance=0.5)

    class Both(type(deployed.counts)):  # type: ignore[misc]
        def read(self, pods: Any, since: float) -> Any:
            return [
                replace(one, counters={**one.counters, "rare good": one.at - 1e9, "rare total": one.at - 1e9})
                for one in super().read(pods, since)
            ]

        def exposed(self, pods: Any) -> ExposedMetrics:
            exposed: ExposedMetrics = super().exposed(pods)
            return exposed | ExposedMetrics.of([("rare_total", {}, 1.0)], Measures.of([rare]))

    deployed.counts = Both(deployed.clock)
    deployed.release(names=("app",), measures=Measures.of([SUCCESS, rare]), min_requests=300).watch()
    waited = [look.waiting_for for look in deployed.heard(Looked)]
    assert any("of 300 requests of rare" in reason for reason in waited)
    assert deployed.heard(Looked)[-1].verdict.comparisons[1].canary.total >= 300


def test_one_worse_workload_rejects_the_whole_release(story: Story) -> None:
    story.stable(deployment("app:1"), deployment("worker:1", name="worker"))
    new = (deployment("app:2"), deployment("worker:2", name="worker"))
    story.release(*new).deploy()
    original = story.counts.good.copy()

    class Split(type(story.counts)):  # type: ignore[misc]
        def read(self, pods: Any, since: float) -> Any:
            found = []
            for pod in pods:
                self.good = original | ({Variant.CANARY: 0.1} if pod.workload == "worker" else {})
                found += super().read([pod], since)
            return found

    story.counts = Split(story.clock)
    verdict = story.release(*new).watch()
    assert verdict.decision is Decision.REJECT
    assert verdict.sentence.startswith("worker")
