"""Totals that survive what happens to pods, containers, scrapes and drivers."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.marks import Variant
from canary.verdict.measures import Measures
from canary.verdict.scrapes import Pod, Scrape
from canary.verdict.tally import Tally
from tests.canary.verdict.tallies import LATENCY, MEASURES, SUCCESS, carried, counted, pod, scrape, tallied


def test_pods_of_a_variant_are_added_up_and_variants_kept_apart() -> None:
    a, b, other = pod("a"), pod("b"), pod("c", Variant.BASELINE)
    tally = tallied([scrape(a, 1, 3, 4), scrape(b, 1, 5, 5), scrape(other, 1, 7, 9)], [scrape(a, 2, 4, 6)])
    assert counted(tally) == (9, 11)
    assert counted(tally, Variant.BASELINE) == (7, 9)


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


# Whatever happens


def test_the_pods_of_variants_that_get_equal_shares_of_the_requests_do_not_count() -> None:
    """A baseline of one ready pod answers as much as a canary of ten, where a route divides the requests."""
    pods = [pod(f"canary-{n}") for n in range(10)] + [pod("baseline", Variant.BASELINE)]
    by_pods = by_route = Tally(0)
    for at in range(1, 60):
        answered = [10 * at] * 10 + [100 * at]
        scrapes = [scrape(one, at, count, count) for one, count in zip(pods, answered, strict=True)]
        by_pods, by_route = by_pods.add(scrapes, MEASURES), by_route.add(scrapes, MEASURES, by_route=True)
    assert by_pods.doubt("web").startswith("the canary answered")
    assert by_route.doubt("web") == ""
    silent = by_route
    for at in range(60, 160):
        scrapes = [scrape(one, at, 600, 600) for one in pods[:10]] + [scrape(pods[10], at, 100 * at, 100 * at)]
        silent = silent.add(scrapes, MEASURES, by_route=True)
    assert silent.doubt("web").startswith("the canary answered")


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
