"""Scrapes of canary and baseline are compared with those of the same time."""

from __future__ import annotations

import random

import pytest

from canary.marks import Variant
from canary.verdict.comparison import Decision
from canary.verdict.evidence import Evidence
from canary.verdict.scrapes import Scrape
from canary.verdict.tally import Tally, judge
from tests.canary.verdict.tallies import MEASURES, SUCCESS, both, carried, pod, scrape, tallied


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


def test_scrapes_that_come_pod_by_pod_are_the_same_as_in_the_order_of_time() -> None:
    scrapes = backlog(1, 0.1, late=8)
    by_pod = sorted(scrapes, key=lambda one: one.pod.name)
    assert by_pod != scrapes
    assert tallied(by_pod).as_json("web") == tallied(scrapes).as_json("web")
