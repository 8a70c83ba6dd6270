"""Canary and baseline compared within each scrape: the sums, the dispersion and the evidence."""

from __future__ import annotations

import itertools
import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.verdict.comparison import Comparison, Decision
from canary.verdict.eprocess import PROMOTE, REJECT, log_ratios, nearest
from canary.verdict.evidence import Evidence
from canary.verdict.rule import compare_strata
from canary.verdict.strata import Strata

Scrapes = list[tuple[tuple[int, int], tuple[int, int]]]
"""Good and all answers of baseline and canary, one scrape after another."""


def added(scrapes: Scrapes, tolerance: float | None = 0.05) -> Strata:
    strata = Strata(tolerance)
    for baseline, canary in scrapes:
        strata = strata.add(Evidence(*baseline), Evidence(*canary))
    return strata


def judged(scrapes: Scrapes, tolerance: float | None = 0.05, *, comparisons: int = 1) -> Comparison:
    return compare_strata(added(scrapes, tolerance), comparisons=comparisons)


def first(scrapes: Scrapes, tolerance: float = 0.05) -> tuple[int, Decision]:
    """Return number and decision of the first scrape that decides; (0, UNDECIDED) if none does."""
    strata = Strata(tolerance)
    for number, (baseline, canary) in enumerate(scrapes, 1):
        strata = strata.add(Evidence(*baseline), Evidence(*canary))
        if (decision := compare_strata(strata).decision) is not Decision.UNDECIDED:
            return number, decision
    return 0, Decision.UNDECIDED


def drawn(share: float, total: int, chance: random.Random) -> tuple[int, int]:
    return sum(chance.random() < share for _ in range(total)), total


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    total = draw(st.integers(0, 300))
    return draw(st.one_of(st.integers(0, total), st.sampled_from([0, total]))), total


SCRAPES = st.lists(st.tuples(counts(), counts()), max_size=20)
TOLERANCES = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1e-6, 0.001, 0.05, 1.0]))


# What it says


def test_an_equal_canary_is_promoted_a_worse_one_rejected_and_the_sentence_says_why() -> None:
    chance = random.Random(1)
    equal = [(drawn(0.95, 40, chance), drawn(0.95, 40, chance)) for _ in range(60)]
    verdict = judged(equal)
    assert verdict.decision is Decision.PROMOTE
    assert verdict.sentence.startswith("canary 94.2 % good vs baseline 95.2 %: worse by 1.0 points (at most ")
    worse = [(baseline, drawn(0.8, 40, chance)) for baseline, _ in equal]
    verdict = judged(worse)
    assert verdict.decision is Decision.REJECT
    assert "worse by 14.5 points (at least " in verdict.sentence
    assert judged(equal, None).decision is Decision.UNDECIDED


def test_a_handful_of_scrapes_decides_only_an_overwhelming_difference() -> None:
    fine = (199, 200)
    assert judged(3 * [(fine, (20, 200))]).decision is Decision.REJECT
    undecided = judged(3 * [(fine, (186, 200))])
    assert undecided.decision is Decision.UNDECIDED
    assert undecided.sentence.endswith(", 600 requests each in 3 of at least 8 scrapes")


def test_without_errors_it_says_why_it_takes_so_many_requests() -> None:
    scrapes = 40 * [((200, 200), (200, 200))]
    undecided = judged(scrapes, 0.001)
    assert undecided.decision is Decision.UNDECIDED
    assert undecided.sentence.endswith(
        ", 8,000 requests each, too little variation to see whether errors come in bursts"
    )
    assert first(15 * scrapes, 0.001)[1] is Decision.PROMOTE


def test_a_tolerance_of_zero_promotes_what_is_better_and_rejects_what_is_worse_and_leaves_what_is_equal() -> None:
    chance = random.Random(2)
    found = {}
    for share in (0.8, 0.9, 0.97):
        found[share] = first([(drawn(0.9, 50, chance), drawn(share, 50, chance)) for _ in range(100)], 0.0)[1]
    assert found == {0.8: Decision.REJECT, 0.9: Decision.UNDECIDED, 0.97: Decision.PROMOTE}


def test_reject_is_decided_at_a_share_of_alpha() -> None:
    scrapes = 12 * [((95, 100), (84, 100))]
    _, evidence = added(scrapes).log_evidence()
    alone, among = judged(scrapes), judged(scrapes, comparisons=10_000)
    assert -math.log(alone.reject_alpha) < evidence < -math.log(among.reject_alpha)
    assert (alone.decision, among.decision) == (Decision.REJECT, Decision.UNDECIDED)


def test_the_interval_narrows_on_both_sides() -> None:
    widths = []
    for scrapes in (10, 100, 1000):
        low, high = judged(
            scrapes * [((190, 200), (190, 200)), ((196, 200), (194, 200)), ((188, 200), (190, 200))]
        ).interval
        widths.append(high - low)
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


def test_a_difference_that_changes_wildly_does_not_promote_what_is_worse_over_all() -> None:
    """Early scrapes say that the canary is better; the many answers of the last one say that it is worse."""
    for seed in range(200):
        chance = random.Random(seed)
        strata = Strata(0.05)
        for _ in range(chance.randint(2, 12)):
            baseline, canary = (
                (chance.choice([0, n // 2, n]), n) for n in (chance.choice([1, 50, 5000]) for _ in "bc")
            )
            strata = strata.add(Evidence(*baseline), Evidence(*canary))
            comparison = compare_strata(strata)
            if comparison.decision is Decision.PROMOTE:
                assert comparison.difference is not None
                assert comparison.difference >= -0.05
            assert "-0.0 " not in comparison.sentence


# What production does


def test_an_incident_of_both_delays_a_decision_little() -> None:
    chance = random.Random(3)
    usual = [(drawn(0.99, 20, chance), drawn(0.99, 20, chance)) for _ in range(400)]
    incident = [*usual[:5], ((10, 20), (10, 20)), *usual[5:]]
    number, decision = first(usual, 0.01)
    later, same = first(incident, 0.01)
    assert decision is same is Decision.PROMOTE
    assert later < 2 * number


def test_a_canary_that_gets_more_traffic_in_better_times_is_not_taken_for_better() -> None:
    """Its share is that of the baseline minus 1.5 tolerances, always."""
    chance = random.Random(4)
    bad_times = [(drawn(0.95, 200, chance), drawn(0.935, 200, chance)) for _ in range(40)]
    good_times = [(drawn(0.985, 200, chance), drawn(0.97, 800, chance)) for _ in range(40)]
    strata = added(bad_times + good_times, 0.01)
    pooled = (one.good / one.total for one in (strata.canary, strata.baseline))
    assert next(pooled) - next(pooled) > -0.01
    comparison = compare_strata(strata)
    assert comparison.decision is Decision.REJECT
    assert comparison.difference == pytest.approx(-0.015, abs=0.003)
    assert "canary 96.3 % good vs baseline 96.8 %: worse by 1.6 points within the same scrapes" in comparison.sentence


def test_answers_wait_until_both_variants_have_some() -> None:
    apart = added([((9, 10), (0, 0)), ((8, 10), (0, 0)), ((0, 0), (18, 20)), ((0, 0), (0, 0)), ((0, 0), (1, 1))])
    assert (apart.scrapes, apart.baseline, apart.canary) == (1, Evidence(17, 20), Evidence(19, 21))
    assert (apart.held_baseline, apart.held_canary) == (Evidence(), Evidence(1, 1))
    assert apart.ratios == added([((17, 20), (18, 20))]).ratios


# Closed forms and properties


def test_the_dispersion_is_pearsons_for_the_differences_and_enlarged_while_few_scrapes_tell_it() -> None:
    scrapes: Scrapes = 6 * [((18, 20), (40, 40)), ((20, 20), (30, 40)), ((15, 20), (39, 40))]
    weight = 20 * 40 / 60
    differences = [c[0] / c[1] - b[0] / b[1] for b, c in scrapes]
    mean = sum(differences) / 18
    scatter = weight * sum((one - mean) ** 2 for one in differences) * 18 / 17
    s_b, s_c = 53 / 60, 109 / 120
    expected = 18 * (s_b * (1 - s_b) * 40 / 60 + s_c * (1 - s_c) * 20 / 60)
    told = 12 + 12
    strata = added(scrapes)
    assert (strata.told, strata.measured) == (told, True)
    assert strata.dispersion == pytest.approx((1 + 8 / told) * scatter / expected)
    assert strata.difference == pytest.approx(mean)


def test_a_correlation_within_scrapes_is_presumed_until_sixteen_scrapes_with_errors_tell_it() -> None:
    flawless: Scrapes = 30 * [((100, 100), (50, 50))]
    assert added(flawless).dispersion == pytest.approx(1 + 0.05 * 99)
    alike: Scrapes = 7 * [((90, 100), (90, 100))]
    assert added(alike).dispersion == pytest.approx(1 + 0.05 * 99)
    assert added([*alike, ((90, 100), (90, 100)), ((90, 100), (90, 100))]).dispersion == 1
    clumps: Scrapes = 4 * [((100, 100), (50, 50)), ((0, 100), (50, 50))]
    assert added(clumps).dispersion > 1 + 0.05 * 99


@pytest.mark.parametrize("tolerance", [0.0, 0.01, 0.1, 0.5])
@pytest.mark.parametrize(("n_b", "n_c"), [(1, 1), (3, 2), (2, 5)])
def test_the_expected_evidence_is_at_most_one_for_every_canary_on_the_wrong_side(
    tolerance: float, n_b: int, n_c: int
) -> None:
    """So by Ville's inequality it exceeds 1/α with a probability of α at most."""
    grid = [n / 10 for n in range(11)]
    for predicted in (0.05, 0.5, 0.97, 1 - 1e-9):
        ratios = {
            (g_b, g_c): log_ratios(tolerance, predicted, Evidence(g_b, n_b), Evidence(g_c, n_c))
            for g_b, g_c in itertools.product(range(n_b + 1), range(n_c + 1))
        }
        for p_b, p_c in itertools.product(grid, grid):
            chance = {
                (g_b, g_c): math.comb(n_b, g_b) * p_b**g_b * (1 - p_b) ** (n_b - g_b)
                * math.comb(n_c, g_c) * p_c**g_c * (1 - p_c) ** (n_c - g_c)
                for g_b, g_c in ratios
            }  # fmt: skip
            for alternatives, part, is_null in (
                (PROMOTE, slice(0, len(PROMOTE)), p_c <= p_b - tolerance),
                (REJECT, slice(len(PROMOTE), None), p_c >= p_b - tolerance),
            ):
                weights = [weight for _, weight in alternatives]
                if is_null:
                    expected = sum(
                        chance[place] * sum(map(math.prod, zip(weights, map(math.exp, found[part]), strict=True)))
                        for place, found in ratios.items()
                    )
                    assert expected <= 1 + 1e-9


@given(st.floats(1e-9, 1 - 1e-9), st.floats(1e-9, 1 - 1e-9), st.floats(1, 1e6), st.floats(1, 1e6), st.floats(0, 0.999))
def test_the_nearest_point_of_the_line_is_nearest(
    q_b: float, q_c: float, n_b: float, n_c: float, tolerance: float
) -> None:
    def divergence(x: float) -> float:
        return sum(
            n * (q * math.log(q / p) + (1 - q) * math.log((1 - q) / (1 - p)))
            for n, q, p in ((n_b, q_b, x), (n_c, q_c, x - tolerance))
        )

    x = nearest(q_b, q_c, n_b, n_c, tolerance)
    assert tolerance < x < 1
    found, room = divergence(x), min(x - tolerance, 1 - x)
    for step in (-0.5, -0.01, 0.01, 0.5):
        assert found <= divergence(x + step * room) * (1 + 1e-9) + 1e-9


@given(SCRAPES, TOLERANCES)
def test_all_numbers_are_finite_and_the_interval_agrees_with_the_decision(scrapes: Scrapes, tolerance: float) -> None:
    strata = added(scrapes, tolerance)
    comparison = compare_strata(strata)
    low, high = comparison.interval
    assert all(map(math.isfinite, (*strata.ratios, *strata.log_evidence(), low, high)))
    assert 1 <= strata.dispersion < math.inf
    assert -1 <= low <= high <= 1
    if comparison.difference is None:
        assert (comparison.decision, low, high) == (Decision.UNDECIDED, -1, 1)
    else:
        assert low <= comparison.difference <= high
        sides = {Decision.PROMOTE: low >= -tolerance, Decision.REJECT: high <= -tolerance}
        assert sides.get(comparison.decision, low <= -tolerance <= high)


@given(SCRAPES, TOLERANCES)
def test_strata_read_back_as_they_were_written(scrapes: Scrapes, tolerance: float) -> None:
    strata = added(scrapes, tolerance)
    assert Strata.from_json(json.loads(json.dumps(strata.as_json()))) == strata


@given(SCRAPES)
def test_one_bad_scrape_moves_the_prediction_by_a_few_answers_only(scrapes: Scrapes) -> None:
    strata = added(scrapes)
    before = 1 - (strata.pool.good + 1) / (strata.pool.total + 2)
    after = strata.add(Evidence(0, 500), Evidence(0, 500)).pool
    held = strata.held_baseline.total + strata.held_canary.total
    new = after.total - after.good - (strata.pool.total - strata.pool.good)
    assert new <= 4 * (before * (1000 + held) + 1) + 1e-6


def test_answers_that_wait_for_the_other_variant_s_are_no_evidence() -> None:
    scrapes: Scrapes = 12 * [((18, 20), (19, 20)), ((20, 20), (18, 20))]
    compared, waiting = added(scrapes), added([*scrapes, ((0, 0), (0, 500))])
    assert waiting.compared == compared.compared == (Evidence(456, 480), Evidence(444, 480))
    assert (waiting.dispersion, waiting.log_evidence()) == (compared.dispersion, compared.log_evidence())


def test_one_good_scrape_moves_the_prediction_of_a_broken_service_by_a_few_answers_only() -> None:
    strata = added(20 * [((1, 100), (1, 100))])
    predicted = (strata.pool.good + 1) / (strata.pool.total + 2)
    after = strata.add(Evidence(500, 500), Evidence(500, 500)).pool
    assert after.good - strata.pool.good == pytest.approx(4 * (1000 * predicted + 1))


def test_eight_scrapes_with_errors_of_both_do_not_tell_the_dispersion_yet() -> None:
    """They tell it fourteen times, and sixteen are needed."""
    alike: Scrapes = 8 * [((90, 100), (90, 100))]
    assert (added(alike).told, added(alike).measured) == (14, False)
    assert added(alike).dispersion == pytest.approx(1 + 0.05 * 99)


def test_errors_in_bursts_need_more_evidence_for_either_decision_than_the_same_errors_spread_evenly() -> None:
    equal: tuple[Scrapes, Scrapes] = (
        40 * [((95, 100), (95, 100))],
        20 * [((90, 100), (100, 100)), ((100, 100), (90, 100))],
    )
    worse: tuple[Scrapes, Scrapes] = (
        12 * [((95, 100), (83, 100))],
        6 * [((90, 100), (96, 100)), ((100, 100), (70, 100))],
    )
    for (evenly, bursts), decision in ((equal, Decision.PROMOTE), (worse, Decision.REJECT)):
        assert (added(bursts).baseline, added(bursts).canary) == (added(evenly).baseline, added(evenly).canary)
        assert (judged(evenly).decision, judged(bursts).decision) == (decision, Decision.UNDECIDED)


def test_the_interval_is_wider_where_canary_and_baseline_get_their_traffic_at_different_times() -> None:
    evenly = judged(40 * [((209, 220), (209, 220))])
    apart = judged(20 * [((380, 400), (38, 40)), ((38, 40), (380, 400))])
    assert (apart.baseline, apart.canary, apart.dispersion) == (evenly.baseline, evenly.canary, evenly.dispersion)
    assert apart.interval[0] < evenly.interval[0] < evenly.interval[1] < apart.interval[1]
