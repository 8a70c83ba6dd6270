"""Totals that survive what happens to pods, containers, scrapes and drivers."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.marks import Variant
from canary.verdict.comparison import Decision
from canary.verdict.evidence import Evidence
from canary.verdict.measures import Measures, Metric
from canary.verdict.scrapes import Pod, Scrape
from canary.verdict.tally import Tally, judge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from canary.verdict.comparison import Verdict

SUCCESS = Metric.share("success", 'requests_total{custom_status="good"}', "requests_total", 0.05)
LATENCY = Metric.latency("latency", "request_duration_seconds", 0.25, 0.05)
MEASURES = Measures.of([SUCCESS])


def pod(name: str, variant: Variant = Variant.CANARY, ready_at: float | None = 0.0) -> Pod:
    return Pod(name, "shop", f"uid-{name}", "web", variant, 8000, ready_at)


def scrape(of: Pod, at: float, good: float, total: float, started: float | None = None) -> Scrape:
    return Scrape(of, at, {"success good": good, "success total": total}, started=started)


def counted(tally: Tally, variant: Variant = Variant.CANARY) -> tuple[float, float]:
    evidence = tally.evidence("web", variant, SUCCESS)
    return evidence.good, evidence.total


def tallied(*rounds: Iterable[Scrape], warm_up: float = 0) -> Tally:
    tally = Tally(warm_up)
    for scrapes in rounds:
        tally = tally.add(scrapes, MEASURES)
    return tally


def carried(tally: Tally) -> Tally:
    """Return the tally that the next driver reads after this one was killed."""
    return Tally.from_json(json.loads(json.dumps(tally.as_json("web"))), "web", tally.warm_up)


def test_pods_of_a_variant_are_added_up_and_variants_kept_apart() -> None:
    a, b, other = pod("a"), pod("b"), pod("c", Variant.BASELINE)
    tally = tallied([scrape(a, 1, 3, 4), scrape(b, 1, 5, 5), scrape(other, 1, 7, 9)], [scrape(a, 2, 4, 6)])
    assert counted(tally) == (9, 11)
    assert counted(tally, Variant.BASELINE) == (7, 9)


def test_one_scrape_of_every_pod_is_one_round_of_evidence() -> None:
    a, b = pod("a"), pod("b")
    tally = tallied([scrape(a, 1, 1, 2), scrape(b, 1.1, 1, 2)], [scrape(a, 2, 2, 4), scrape(b, 2.1, 3, 4)])
    tally = tally.add([scrape(pod("c", Variant.BASELINE), 1, 5, 6)], MEASURES)
    assert tally.strata("web", SUCCESS).scrapes == 1  # the canary's answers waited for the first of the baseline
    strata = tally.add([scrape(pod("c", Variant.BASELINE), 2, 6, 7), scrape(b, 3, 4, 5)], MEASURES).strata(
        "web", SUCCESS
    )
    assert (strata.scrapes, strata.canary, strata.held_canary) == (2, Evidence(6, 9), Evidence())


def test_looks_that_come_together_are_compared_one_by_one_as_if_they_had_not() -> None:
    looks = [both(at, (9 * at, 10 * at), (8 * at, 10 * at)) for at in range(1, 6)]
    together = tallied([one for look in looks for one in look])
    assert together.strata("web", SUCCESS) == tallied(*looks).strata("web", SUCCESS)
    assert together.strata("web", SUCCESS).scrapes == 5


def backlog(seed: int, worse: float, *, late: int) -> list[Scrape]:
    """Return scrapes of ten minutes: an incident of both for five of them, and a canary that comes later."""
    chance, found = random.Random(seed), []
    good = {Variant.BASELINE: 0, Variant.CANARY: 0}
    for look in range(40):
        for variant, name, share in ((Variant.BASELINE, "b", 0.95), (Variant.CANARY, "c", 0.95 - worse)):
            if variant is Variant.CANARY and look < late:
                continue
            good[variant] += sum(chance.random() < (0.5 if look < 20 else share) for _ in range(60))
            total = 60 * (look + 1 - (late if variant is Variant.CANARY else 0))
            found.append(scrape(pod(name, variant), 15 * look + (0.3 if name == "b" else 0.7), good[variant], total))
    return found


@pytest.mark.parametrize("late", [0, 8, 16])
def test_scrapes_that_come_together_are_compared_with_those_of_the_same_time(late: int) -> None:
    """Else a canary that comes later would be compared with the baseline of the incident, and look better."""
    for seed in range(5):
        scrapes = backlog(seed, 0.1, late=late)
        together = tallied(scrapes)
        assert judge(together, MEASURES, ["web"]).decision is not Decision.PROMOTE
        one_by_one = tallied(*([one for one in scrapes if one.at // 15 == look] for look in range(40)))
        assert together.strata("web", SUCCESS) == one_by_one.strata("web", SUCCESS)
        difference = together.strata("web", SUCCESS).difference
        assert difference is not None
        assert difference == pytest.approx(-0.1 * 20 / (40 - late), abs=0.04)


def test_a_pod_without_scrapes_for_a_while_is_compared_with_the_others_of_the_same_time() -> None:
    scrapes = [one for one in backlog(1, 0.0, late=0) if one.pod.name == "b" or not 150 < one.at < 450]
    strata = tallied(scrapes).strata("web", SUCCESS)
    assert strata.scrapes == 20
    assert strata == tallied(*([one for one in scrapes if one.at // 15 == look] for look in range(40))).strata(
        "web", SUCCESS
    )


def test_a_driver_that_takes_over_comes_to_the_same_strata() -> None:
    tally, killed = Tally(0), Tally(0)
    for at in range(1, 20):
        look = both(at, (7 * at, 9 * at), (9 * (at // 3), 10 * (at // 3)))
        tally, killed = tally.add(look, MEASURES), carried(killed.add(look, MEASURES))
    assert killed.strata("web", SUCCESS) == tally.strata("web", SUCCESS)
    assert tally.strata("web", SUCCESS).scrapes == 6


def test_all_counters_of_a_process_restart_at_zero_when_one_falls() -> None:
    a = pod("a")
    tally = tallied([scrape(a, 1, 10, 11)], [scrape(a, 2, 2, 14)])
    assert counted(tally) == (12, 25)


def test_the_start_time_shows_a_restart_that_no_counter_shows() -> None:
    a = pod("a")
    tally = tallied([scrape(a, 1, 10, 10, started=100)], [scrape(a, 9, 30, 30, started=105)])
    assert counted(tally) == (40, 40)


def series(of: Pod, at: float, started: float | None = None, **counts: int) -> Scrape:
    """Return a scrape of an app that counts by path; the requests to `bad` are bad."""
    samples = [
        ("requests_total", {"path": path, "custom_status": status(path)}, float(n)) for path, n in counts.items()
    ]
    parts = MEASURES.parts(samples)
    return Scrape(of, at, MEASURES.count(parts), started=started, parts=parts)


def status(path: str) -> str:
    return "bad" if path == "bad" else "good"


@pytest.mark.parametrize("started", [None, 100.0])
def test_a_series_that_disappears_does_not_make_the_others_new(started: float | None) -> None:
    a = pod("a")
    looks = [
        series(a, 1, started, old=500, home=99_800, bad=0),
        series(a, 2, started, home=99_850, bad=50),
        series(a, 3, started, home=99_850, bad=50),
    ]
    assert counted(tallied([looks[0]])) == (100_300, 100_300)
    assert counted(tallied(*([look] for look in looks))) == (100_350, 100_400)


def test_a_series_that_comes_back_continues_or_restarts_at_zero() -> None:
    a = pod("a")
    gone = [[series(a, 1, home=10, old=500)], [series(a, 2, home=11)]]
    assert counted(tallied(*gone, [series(a, 3, home=11, old=502)])) == (513, 513)
    assert counted(tallied(*gone, [series(a, 3, home=11, old=7)])) == (518, 518)


def test_only_the_series_that_fell_restarts_at_zero() -> None:
    a = pod("a")
    assert counted(tallied([series(a, 1, home=1000, old=500)], [series(a, 2, home=1010, old=2)])) == (1512, 1512)


def test_a_new_series_starts_at_zero() -> None:
    a = pod("a")
    assert counted(tallied([series(a, 1, home=10)], [series(a, 2, home=12, new=30)])) == (42, 42)


def test_all_series_restart_at_zero_after_a_new_start_time() -> None:
    a = pod("a")
    looks = [[series(a, 1, 100, home=10, bad=1)], [series(a, 9, 105, home=30, bad=5)]]
    assert counted(tallied(*looks)) == (40, 46)


def test_a_small_change_of_the_start_time_is_not_a_restart() -> None:
    """It is reckoned from the machine's boot, which is reckoned from its clock."""
    a = pod("a")
    assert counted(tallied([series(a, 1, 100, home=10)], [series(a, 2, 101, home=15)])) == (15, 15)


def test_counts_are_the_same_when_another_scraper_adds_other_labels() -> None:
    a = pod("a")
    other = replace(series(a, 2, home=15), parts={1: {"success good": 15.0, "success total": 15.0}})
    assert counted(tallied([series(a, 1, home=10)], [other], [series(a, 3, home=16)])) == (16, 16)


def test_a_driver_that_takes_over_trusts_the_start_of_the_process() -> None:
    a = pod("a")
    before = carried(tallied([series(a, 1, 100, old=500, home=10)]))
    assert counted(before.add([series(a, 2, 100, home=12)], MEASURES)) == (510, 510)
    assert counted(before.add([series(a, 2, 200, home=12)], MEASURES)) == (522, 522)
    later = before.add([series(a, 2, 100, home=12)], MEASURES)
    assert counted(later.add([series(a, 3, 100, home=20)], MEASURES)) == (518, 518)


def test_what_is_kept_in_the_cluster_does_not_grow_with_the_series() -> None:
    a = pod("a")
    few, many = series(a, 1, home=10), series(a, 1, **{f"path{n}": 10 for n in range(1000)})
    sizes = [len(json.dumps(tallied([one]).as_json("web"))) for one in (few, many)]
    assert sizes[1] < sizes[0] + 50


@given(
    st.booleans(),
    st.lists(
        st.tuples(
            st.sampled_from(["answer", "answer", "scrape", "forget", "restart"]),
            st.sampled_from("abc"),
            st.integers(1, 50),
        ),
        max_size=40,
    ),
)
def test_no_request_is_counted_twice_whatever_happens_to_its_series(
    tells_start: bool,
    actions: list[tuple[str, str, int]],
) -> None:
    tally, process, came, started, forgets = Tally(0), dict[str, int](), 0, 1000.0, False
    for at, (action, path, count) in enumerate([*actions, ("scrape", "a", 1)]):
        if action == "answer":
            process[path] = process.get(path, 0) + count
            came += count
        elif action == "forget":
            process.pop(path, None)
            forgets = True
        elif action == "restart":
            tally = tally.add([series(pod("a"), at + 0.5, started if tells_start else None, **process)], MEASURES)
            process, started = {}, started + 100
        else:
            tally = tally.add([series(pod("a"), at, started if tells_start else None, **process)], MEASURES)
        total = counted(tally)[1]
        assert total <= came
        if action == "scrape" and tells_start and not forgets:
            assert total == came


def test_a_deleted_pod_still_counts_and_its_successor_is_another_pod() -> None:
    a = pod("a")
    successor = replace(a, uid="another")
    assert counted(tallied([scrape(a, 1, 10, 10)], [], [scrape(successor, 3, 20, 25)])) == (30, 35)


def test_a_failed_scrape_is_missing_and_changes_no_count() -> None:
    a = pod("a")
    tally = tallied([scrape(a, 1, 10, 10)], [Scrape(a, 2, None, problem="no answer")])
    assert counted(tally) == (10, 10)
    assert tally.missing == {a: "no answer"}
    tally = tally.add([scrape(a, 3, 15, 15)], MEASURES)
    assert counted(tally) == (15, 15)
    assert tally.missing == {}


def test_a_scrape_seen_before_counts_once() -> None:
    a = pod("a")
    again = [scrape(a, 1, 10, 10), scrape(a, 2, 12, 13)]
    assert counted(tallied(again, again, [scrape(a, 1, 10, 10)])) == (12, 13)


def test_answers_during_the_warm_up_are_left_out() -> None:
    a = pod("a", ready_at=100)
    looks = [[scrape(a, 100 + 4 * n, 10 * n, 20 * n)] for n in range(6)]
    assert counted(tallied(*looks[:4], warm_up=10)) == (0, 0)  # the look at 112 is the first after 110: its mark
    assert counted(tallied(*looks, warm_up=10)) == (20, 40)


def test_a_pod_that_is_not_ready_is_not_counted_until_it_is_warm() -> None:
    cold, ready = pod("a", ready_at=None), pod("a", ready_at=100)
    tally = tallied([scrape(cold, 90, 1, 5)], [scrape(ready, 111, 2, 9)], [scrape(ready, 112, 4, 12)], warm_up=10)
    assert counted(tally) == (2, 3)


def test_a_pod_that_loses_readiness_still_counts() -> None:
    """Its last answers are evidence, and often the bad ones."""
    ready, unready = pod("a", ready_at=100), pod("a", ready_at=None)
    tally = tallied([scrape(ready, 111, 10, 10)], [scrape(unready, 112, 10, 30)], warm_up=10)
    assert counted(tally) == (0, 20)


def test_a_metric_that_comes_later_starts_at_its_first_scrape() -> None:
    a, both = pod("a"), Measures.of([SUCCESS, LATENCY])
    tally = tallied([scrape(a, 1, 10, 10)], warm_up=0)
    for at, slow in ((2, 5.0), (3, 6.0)):
        counters = {"success good": 10.0, "success total": 10.0, "latency good": 95.0, "latency total": 95 + slow}
        tally = tally.add([Scrape(a, at, counters)], both)
    evidence = tally.evidence("web", Variant.CANARY, LATENCY)
    assert (evidence.good, evidence.total) == (0, 1)


def test_the_rate_covers_the_last_30_seconds() -> None:
    a = pod("a")
    tally = tallied(*([scrape(a, at, 2 * at, 2 * at if at < 50 else 4 * at - 100)] for at in range(0, 101, 5)))
    assert tally.rate("web", Variant.CANARY) == pytest.approx(4)
    assert tally.rate("web", Variant.BASELINE) is None
    assert tallied([scrape(a, 1, 1, 1)]).rate("web", Variant.CANARY) is None


def test_quantiles_are_those_of_all_pods_of_the_variant() -> None:
    measures = Measures.of([SUCCESS], "request_duration_seconds")
    scrapes = [
        Scrape(pod(name), 1, {"success good": n, "success total": n, "le=0.1": n, "le=0.5": 10.0, "le=inf": 10.0})
        for name, n in (("a", 10.0), ("b", 0.0))
    ]
    tally = Tally(0).add(scrapes, measures)
    assert tally.quantile("web", Variant.CANARY, 0.5) == pytest.approx(0.1)
    assert tally.quantile("web", Variant.CANARY, 0.75) == pytest.approx(0.3)
    assert tally.quantile("web", Variant.STABLE, 0.5) is None
    assert carried(tally).quantile("web", Variant.CANARY, 0.75) == pytest.approx(0.3)


def test_a_source_reads_from_the_oldest_scrape_that_it_may_have_missed() -> None:
    a, b, new = pod("a"), pod("b"), pod("c", ready_at=55)
    tally = tallied([scrape(a, 50, 1, 1), scrape(b, 60, 1, 1)])
    assert tally.since([a, b], now=70) == 50
    assert tally.since([b], now=70) == 60
    assert tally.since([b, new], now=70) == 55
    assert tally.since([b, pod("d", ready_at=None)], now=70) == 60
    assert tally.since([], now=70) == 70


def test_deleted_pods_still_count_after_they_are_forgotten() -> None:
    a, b = pod("a"), pod("b")
    tally = tallied([scrape(a, 1, 10, 10), scrape(b, 1, 5, 5)])
    less = tally.without_gone({b.uid})
    assert counted(less) == (15, 15)
    assert len(json.dumps(less.as_json("web"))) < len(json.dumps(tally.as_json("web")))
    assert counted(less.add([scrape(b, 2, 7, 7)], MEASURES)) == (17, 17)


# The verdict on it


def both(at: float, canary: tuple[int, int], baseline: tuple[int, int]) -> list[Scrape]:
    return [scrape(pod("c"), at, *canary), scrape(pod("b", Variant.BASELINE), at, *baseline)]


def evenly(canary: tuple[int, int], baseline: tuple[int, int]) -> list[list[Scrape]]:
    """Return ten rounds in which these requests come evenly."""
    tenths = [(good // 10, total // 10) for good, total in (canary, baseline)]
    return [both(n, *((good * n, total * n) for good, total in tenths)) for n in range(1, 11)]


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


# Whatever happens


@dataclass
class Life:
    """One process of a pod, from start to end, and what was last scraped of it."""

    pod: Pod
    started: float
    good: int = 0
    total: int = 0
    seen: tuple[int, int] = (0, 0)


@dataclass
class World:
    """Pods that answer, restart, vanish and come; some scrapes fail; the driver may be killed."""

    tells_start: bool
    now: float = 1000.0
    tally: Tally = field(default_factory=lambda: Tally(warm_up=0))
    lives: dict[str, Life] = field(default_factory=dict)
    ended: list[Life] = field(default_factory=list)
    born: int = 0

    def do(self, action: str, which: int, good: int, bad: int) -> None:
        self.now += 1
        names = sorted(self.lives)
        name = names[which % len(names)] if names else ""
        if action == "come":
            self.born += 1
            variant = Variant.CANARY if which % 2 else Variant.BASELINE
            self.lives[f"p{self.born}"] = Life(pod(f"p{self.born}", variant), self.now)
        elif action == "killed driver":
            self.tally = carried(self.tally)
        elif action == "scrape":
            self.scrape(failing={name} if good % 3 == 0 else set())
        elif name and action == "answer":
            self.lives[name].good += good
            self.lives[name].total += good + bad
        elif name and action in ("restart", "vanish"):
            life = self.lives.pop(name)
            self.ended.append(life)
            if action == "restart":
                self.lives[name] = Life(life.pod, self.now)

    def scrape(self, failing: set[str]) -> None:
        scrapes = []
        for name, life in self.lives.items():
            if name in failing:
                scrapes.append(Scrape(life.pod, self.now, None, problem="no answer"))
            else:
                life.seen = (life.good, life.total)
                started = life.started if self.tells_start else None
                scrapes.append(scrape(life.pod, self.now, *life.seen, started=started))
        self.tally = self.tally.add(scrapes, MEASURES)

    def scraped(self, variant: Variant) -> tuple[int, int]:
        """Return the sum of what was last scraped of each process that ever was."""
        seen = [life.seen for life in [*self.lives.values(), *self.ended] if life.pod.variant is variant]
        return sum(good for good, _ in seen), sum(total for _, total in seen)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["come", "answer", "answer", "answer", "scrape", "scrape", "restart", "vanish", "killed driver"]
        ),
        st.integers(0, 9),
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    max_size=40,
)


@settings(max_examples=200)
@given(ACTIONS)
def test_totals_never_fall_and_miss_nothing_that_was_scraped(actions: list[tuple[str, int, int, int]]) -> None:
    world = World(tells_start=True)
    for action in actions:
        before = {variant: counted(world.tally, variant) for variant in Variant}
        world.do(*action)
        for variant in Variant:
            after = counted(world.tally, variant)
            assert after[0] >= before[variant][0]
            assert after[1] >= before[variant][1]
            assert after == world.scraped(variant)


@settings(max_examples=200)
@given(ACTIONS)
def test_without_a_start_time_a_restart_may_be_missed_but_nothing_is_counted_twice(
    actions: list[tuple[str, int, int, int]],
) -> None:
    world = World(tells_start=False)
    for action in actions:
        before = {variant: counted(world.tally, variant) for variant in Variant}
        world.do(*action)
        for variant in Variant:
            good, total = counted(world.tally, variant)
            assert before[variant][1] <= total <= world.scraped(variant)[1]
            assert 0 <= good <= total


@settings(max_examples=100)
@given(ACTIONS, st.randoms(use_true_random=False))
def test_the_order_in_which_pods_are_scraped_does_not_matter(
    actions: list[tuple[str, int, int, int]], shuffler: random.Random
) -> None:
    world = World(tells_start=True)
    for action in actions:
        world.do(*action)
    scrapes = [scrape(life.pod, world.now + n, life.good, life.total) for n, life in enumerate(world.lives.values())]
    in_order = world.tally.add(scrapes, MEASURES)
    shuffler.shuffle(scrapes)
    assert world.tally.add(scrapes, MEASURES).as_json("web") == in_order.as_json("web")
