"""The verdict on what was counted: of all metrics and workloads, and when PROMOTE is withheld."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from canary.marks import Variant
from canary.verdict.comparison import Decision
from canary.verdict.measures import Measures
from canary.verdict.scrapes import Scrape
from canary.verdict.tally import Tally, judge
from tests.canary.verdict.tallies import LATENCY, MEASURES, SUCCESS, both, carried, evenly, pod, scrape, tallied

if TYPE_CHECKING:
    from canary.verdict.comparison import Verdict


def judged(*rounds: list[Scrape]) -> Verdict:
    return judge(tallied(*rounds), MEASURES, ["web"])


def test_the_verdict_compares_canary_and_baseline() -> None:
    verdict = judged(*evenly((950, 1000), (940, 1000)))
    assert verdict.decision is Decision.PROMOTE
    assert verdict.sentence.startswith("canary 95.0 % good vs baseline 94.0 %: better by 1.0 points")
    assert judged(*evenly((500, 1000), (940, 1000))).decision is Decision.REJECT
    assert judged().decision is Decision.UNDECIDED
    assert judge(Tally(), MEASURES, []).decision is Decision.UNDECIDED


def test_a_handful_of_scrapes_decides_only_an_overwhelming_difference() -> None:
    rounds = [both(n, (95 * n, 100 * n), (94 * n, 100 * n)) for n in range(1, 16)]
    found = [judge(tallied(*rounds[:n]), MEASURES, ["web"]).decision for n in range(1, 16)]
    assert found[:7] == 7 * [Decision.UNDECIDED]
    assert found[-1] is Decision.PROMOTE


def test_nothing_is_promoted_while_counts_are_missing() -> None:
    verdict = judged(*evenly((950, 1000), (940, 1000)), [Scrape(pod("c"), 11, None, problem="no answer")])
    assert verdict.decision is Decision.UNDECIDED
    assert verdict.sentence.endswith("; not promoted: counts are missing from c (no answer)")


def test_nothing_is_promoted_while_no_good_request_was_seen_on_either_side() -> None:
    """Two selectors that match nothing are equal, and so are two versions that only fail."""
    verdict = judged(*evenly((0, 1000), (0, 1000)))
    assert verdict.decision is Decision.UNDECIDED
    assert verdict.sentence.endswith("; not promoted: no good request was seen on either side")
    assert judged(*evenly((40, 1000), (0, 1000))).decision is Decision.PROMOTE
    assert judged(*evenly((0, 1000), (400, 1000))).decision is Decision.REJECT


def test_one_metric_or_workload_without_good_requests_blocks_the_promote() -> None:
    measures = Measures.of([SUCCESS, LATENCY])
    slow = [
        replace(one, counters={**(one.counters or {}), "latency good": 0.0, "latency total": 100.0 * n})
        for n, found in enumerate(evenly((950, 1000), (950, 1000)), 1)
        for one in found
    ]
    verdict = judge(Tally(0).add(slow, measures), measures, ["web"])
    assert verdict.decision is Decision.UNDECIDED
    assert verdict.sentence.endswith("; not promoted: no request within 250 ms was seen on either side")

    failing = [
        [replace(one, pod=replace(one.pod, uid=f"{one.pod.uid}-api", workload="api")) for one in found]
        for found in evenly((0, 1000), (0, 1000))
    ]
    verdict = judge(tallied(*evenly((950, 1000), (950, 1000)), *failing), MEASURES, ["web", "api"])
    assert verdict.decision is Decision.UNDECIDED
    assert verdict.sentence.endswith("; not promoted: no good request was seen on either side of api")


def test_missing_counts_of_stable_do_not_matter_and_those_of_the_canary_do_not_stop_a_reject() -> None:
    stable = Scrape(pod("s", Variant.STABLE), 11, None, problem="no answer")
    assert judged(*evenly((950, 1000), (940, 1000)), [stable]).decision is Decision.PROMOTE
    silent = Scrape(pod("c"), 11, None, problem="no answer")
    assert judged(*evenly((500, 1000), (940, 1000)), [silent]).decision is Decision.REJECT


def hanging(answered: int = 2) -> list[list[Scrape]]:
    """Return rounds in which the canary answers well, but few requests of a hundred."""
    return [both(n, (answered * n, answered * n), (99 * n, 100 * n)) for n in range(1, 61)]


def test_a_canary_that_leaves_requests_unanswered_is_not_promoted() -> None:
    verdict = judged(*hanging())
    assert verdict.decision is Decision.UNDECIDED
    assert verdict.sentence.endswith(
        "; not promoted: the canary answered 118 requests, the baseline 5,900, with as many pods: does it hang, or do "
        "clients keep only a few connections open? To promote nevertheless, add --sample-ratio off"
    )
    assert judge(tallied(*hanging()), MEASURES, ["web"], sample_ratio=False).decision is Decision.PROMOTE
    assert judged(*hanging(answered=50)).decision is Decision.PROMOTE


def test_a_canary_that_answers_nothing_at_all_is_doubted_while_nothing_is_decided() -> None:
    assert judged(*hanging(answered=0)).sentence == (
        "no requests to canary yet (0 and 6,000 requests); the canary answered 0 requests, the baseline 5,900, with as "
        "many pods: does it hang, or do clients keep only a few connections open?"
    )


def test_a_release_of_several_workloads_says_which_one_leaves_requests_unanswered() -> None:
    api = [
        [replace(one, pod=replace(one.pod, uid=f"{one.pod.uid}-api", workload="api")) for one in found]
        for found in hanging(answered=100)
    ]
    verdict = judge(tallied(*hanging(), *api), MEASURES, ["api", "web"])
    assert verdict.decision is Decision.UNDECIDED
    assert "; not promoted: web: the canary answered" in verdict.sentence


def test_unanswered_requests_stay_known_to_the_next_driver_and_a_canary_that_is_worse_is_rejected() -> None:
    rounds = hanging()
    tally = carried(tallied(*rounds[:40])).add([one for found in rounds[40:] for one in found], MEASURES)
    assert tally.doubt("web") == tallied(*rounds).doubt("web")
    assert tally.doubt("web")
    worse = [both(n, (0, 2 * n), (99 * n, 100 * n)) for n in range(1, 61)]
    assert judged(*worse).decision is Decision.REJECT


@pytest.mark.parametrize(("answered", "doubted"), [(1.0, False), (0.05, True)])
def test_pods_that_prometheus_scrapes_one_after_the_other_are_compared_by_their_time(
    answered: float, doubted: bool
) -> None:
    """Ten pods of each variant, each scraped every 15 seconds at a time of its own, and a look every two seconds."""
    random_ = random.Random(1)
    phases = {
        pod(f"{variant}-{n}", variant): random_.uniform(0, 15)
        for variant in (Variant.BASELINE, Variant.CANARY)
        for n in range(10)
    }
    rate = {Variant.BASELINE: 20.0, Variant.CANARY: 20.0 * answered}
    tally = Tally(0)
    for look in range(2, 1200, 2):
        due = [(one, n) for one, phase in phases.items() for n in range(80) if look - 2 < phase + 15 * n <= look]
        scrapes = [scrape(one, phases[one] + 15 * n, 0, rate[one.variant] * (15 * n + 1)) for one, n in due]
        tally = tally.add(scrapes, MEASURES)
    assert bool(tally.doubt("web")) is doubted


def test_answers_during_a_warm_up_say_nothing_about_unanswered_requests() -> None:
    late = pod("c", ready_at=1000)
    tally = Tally(10)
    for n in range(1, 61):
        tally = tally.add(
            [scrape(pod("b", Variant.BASELINE), 100 + n, 99 * n, 100 * n), scrape(late, 100 + n, 0, 0)], MEASURES
        )
    assert not tally.doubt("web")


def test_workloads_and_metrics_share_the_error_level_of_reject() -> None:
    measures = Measures.of([SUCCESS, LATENCY])
    verdict = judge(Tally(), measures, ["web", "api"], alpha=0.04)
    assert [(one.workload, one.metric) for one in verdict.comparisons] == [
        ("web", "success"),
        ("web", "latency"),
        ("api", "success"),
        ("api", "latency"),
    ]
    assert {(one.alpha, one.reject_alpha) for one in verdict.comparisons} == {(0.04, 0.001)}


def test_a_canary_that_is_worse_is_rejected_without_a_word_about_unanswered_requests() -> None:
    rounds = [both(n, (0, 2 * n), (99 * n, 100 * n)) for n in range(1, 61)]
    assert tallied(*rounds).doubt("web")
    verdict = judged(*rounds)
    assert (verdict.decision, verdict.withheld) == (Decision.REJECT, "")
    assert "does it hang" not in verdict.sentence


def test_the_next_driver_continues_with_all_workloads() -> None:
    api = [
        [replace(one, pod=replace(one.pod, uid=f"{one.pod.uid}-api", workload="api")) for one in found]
        for found in hanging()
    ]
    tally = tallied(*evenly((950, 1000), (940, 1000)), *api)
    web, other = (Tally.from_json(json.loads(json.dumps(tally.as_json(name))), name, 0) for name in ("web", "api"))
    joined = web.joined(other)
    assert joined.doubt("api") == tally.doubt("api") != ""
    assert [joined.as_json(name) for name in ("web", "api")] == [tally.as_json(name) for name in ("web", "api")]


@pytest.mark.parametrize(("ready", "doubted"), [(0.5, False), (2.0, True)])
def test_nothing_is_expected_of_a_pod_while_it_is_not_ready(ready: float, doubted: bool) -> None:
    """A canary that answers a tenth of the requests gets no more of them if it is ready for so short a time only."""
    tally = Tally(0)
    for n in range(1, 201):
        flapping = pod("c", ready_at=2 * n - ready)
        looks = [scrape(pod("b", Variant.BASELINE), 2 * n, 100 * n, 100 * n), scrape(flapping, 2 * n, 10 * n, 10 * n)]
        tally = tally.add(looks, MEASURES)
    assert bool(tally.doubt("web")) is doubted


def test_unanswered_requests_are_those_of_the_first_metric() -> None:
    measures, tally = Measures.of([SUCCESS, LATENCY]), Tally(0)
    for n, found in enumerate(hanging(), 1):
        slow = {"latency good": 100.0 * n, "latency total": 100.0 * n}
        tally = tally.add([replace(one, counters={**(one.counters or {}), **slow}) for one in found], measures)
    assert "the canary answered 118 requests" in tally.doubt("web")
