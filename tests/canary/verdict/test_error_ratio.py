"""Evidence about a relative tolerance: exact for independent answers, and its ratio and interval agree with it.

Expectations are sums over all counts of small scrapes, and not estimates.
"""

from __future__ import annotations

import math
from functools import cache
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.verdict.comparison import Decision
from canary.verdict.eprocess import PROMOTE, REJECT
from canary.verdict.error_ratio import log_ratios
from canary.verdict.evidence import Evidence
from canary.verdict.rule import compare, compare_strata
from canary.verdict.strata import MOST, Strata
from canary.verdict.tolerance import Multiple

ALTERNATIVES = range(len(PROMOTE) + len(REJECT))
SIZES = ((1, 1), (4, 16), (16, 4), (20, 20))
ROUNDING = 1e-9


@cache
def chances(size: int, share: float) -> tuple[float, ...]:
    """Return the probability of each number of errors in independent answers."""
    return tuple(comb(size, k) * share**k * (1 - share) ** (size - k) for k in range(size + 1))


def expectations(
    times: float, sizes: tuple[int, int], shares: tuple[float, float], most: float = math.inf, clump: int = 1
) -> list[float]:
    """Return the expected likelihood ratio of each alternative, for shares of errors of baseline and canary.

    Answers come in clumps that are all good or all bad, and the logarithm is divided by the size of a clump.
    """
    found = [0.0] * len(ALTERNATIVES)
    for baseline, chance_b in enumerate(chances(sizes[0], shares[0])):
        for canary, chance_c in enumerate(chances(sizes[1], shares[1])):
            sides = (
                Evidence((size - bad) * clump, size * clump)
                for size, bad in zip(sizes, (baseline, canary), strict=True)
            )
            for place, ratio in enumerate(log_ratios(times, *sides, most=most)):
                found[place] += chance_b * chance_c * math.exp(ratio / clump)
    return found


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("times", [1.05, 1.5, 2.0, 10.0])
@pytest.mark.parametrize("errors", [0.001, 0.05, 0.3, 0.6, 1.0])
def test_no_canary_beyond_the_tolerance_is_expected_to_gain_evidence(
    errors: float, times: float, sizes: tuple[int, int]
) -> None:
    for share in (min(1.0, errors * factor) for factor in (times, (times + 1 / errors) / 2, 1 / errors)):
        if share >= times * errors:
            assert max(expectations(times, sizes, (errors, share))[: len(PROMOTE)]) <= 1 + ROUNDING, share
    for share in (min(1.0, errors * factor) for factor in (times, 1, times / 10, 0)):
        assert max(expectations(times, sizes, (errors, share))[len(PROMOTE) :]) <= 1 + ROUNDING, share


@pytest.mark.parametrize("clump", [2, 5])
def test_clumps_of_equal_answers_gain_no_evidence_when_divided_by_their_size(clump: int) -> None:
    assert max(expectations(2.0, (4, 16), (0.1, 0.2), clump=clump)) <= 1 + ROUNDING


@pytest.mark.parametrize("most", [4.0, 8.0])
@pytest.mark.parametrize("errors", [0.001, 0.01, 0.05, 0.1])
def test_a_limit_to_the_errors_of_a_scrape_gains_no_evidence_where_errors_are_rare(errors: float, most: float) -> None:
    for sizes in SIZES:
        assert max(expectations(2.0, sizes, (errors, 2 * errors), most)) <= 1 + ROUNDING, sizes


@pytest.mark.parametrize("answers", [Evidence(20, 20), Evidence(20 - 1e-12, 20)])
def test_scrapes_without_errors_say_nothing(answers: Evidence) -> None:
    assert set(log_ratios(1.5, answers, answers)) == {0.0}


# Decisions


def release(errors: tuple[float, float], times: float, seed: int, each: int = 50, incident: int = 0) -> Decision:
    """Return the first decision of a release in 300 looks.

    Args:
        errors: shares of baseline and canary.
        times: the tolerance.
        seed: of the requests.
        each: requests of each variant per look.
        incident: number of the look at which half of both variants' answers are bad; 0 for none.
    """
    rng, strata = np.random.default_rng(seed), Strata(Multiple(times))
    for look in range(1, 301):
        shares = (0.5, 0.5) if look == incident else errors
        strata = strata.add(*(Evidence(each - int(rng.binomial(each, share)), each) for share in shares))
        decision = compare_strata(strata).decision
        if decision is not Decision.UNDECIDED:
            return decision
    return Decision.UNDECIDED


def test_the_error_levels_hold_when_the_verdict_is_checked_after_every_scrape() -> None:
    edge, equal, worse = (
        [release(errors, 3, seed) for seed in range(60)] for errors in ((0.02, 0.06), (0.02, 0.02), (0.02, 0.2))
    )
    # 5 % and 0.5 % are allowed; 60 releases show more than this by chance in one of a hundred streams
    assert edge.count(Decision.PROMOTE) <= 7
    assert edge.count(Decision.REJECT) <= 2
    assert equal.count(Decision.PROMOTE) >= 57
    assert worse.count(Decision.REJECT) >= 57


def test_an_incident_of_both_variants_promotes_no_canary_that_is_worse_at_all_other_times() -> None:
    decided = [release((0.01, 0.03), 2, seed, 200, incident=5) for seed in range(20)]
    assert Decision.PROMOTE not in decided


def test_the_ratio_is_that_within_the_scrapes_where_traffic_changes() -> None:
    strata = Strata(Multiple(2.0))
    for _ in range(20):
        strata = strata.add(Evidence(90, 100), Evidence(18, 20))  # both 10 % errors
    for _ in range(20):
        strata = strata.add(Evidence(50, 100), Evidence(400, 800))  # both 50 %, and the canary has most of the requests
    assert strata.error_ratio == pytest.approx(1.0)
    comparison = compare_strata(strata)
    assert comparison.ratio == pytest.approx(1.0)
    assert "equal within the same scrapes (" in comparison.sentence


@given(
    st.tuples(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 2000)),
    st.floats(1.001, 1000),
    st.floats(1, 50),
)
def test_the_interval_agrees_with_the_decision_and_contains_the_ratio(
    counts: tuple[int, int, int, int], times: float, scatter: float
) -> None:
    baseline, canary = (Evidence(good, good + bad + 1) for good, bad in (counts[:2], counts[2:]))
    found = compare(baseline, canary, tolerance=Multiple(times), scatter=scatter)
    low, high = found.ratio_interval
    assert 0 <= low <= high
    assert found.ratio is None or low <= found.ratio <= high
    match found.decision:
        case Decision.PROMOTE:
            assert high <= times
        case Decision.REJECT:
            assert low >= times
        case Decision.UNDECIDED:
            assert low <= times <= high


@given(st.lists(st.tuples(*4 * [st.integers(0, 40)]), max_size=8))
def test_strata_with_a_relative_tolerance_survive_json(scrapes: list[tuple[int, int, int, int]]) -> None:
    strata = Strata(Multiple(1.5))
    for good_b, bad_b, good_c, bad_c in scrapes:
        strata = strata.add(Evidence(good_b, good_b + bad_b), Evidence(good_c, good_c + bad_c))
    assert strata.as_json()["tolerance"] == "1.5x"
    assert Strata.from_json(strata.as_json()) == strata


def test_a_scrape_counts_with_at_most_a_few_times_the_errors_that_earlier_ones_predict() -> None:
    strata = Strata(Multiple(2.0)).add(Evidence(99, 100), Evidence(99, 100))
    incident = Evidence(50, 100)
    gained = [
        after - before for after, before in zip(strata.add(incident, incident).ratios, strata.ratios, strict=True)
    ]
    predicted = (1 - strata.pool.good / strata.pool.total) * 200
    whole = log_ratios(2.0, incident, incident)
    assert gained[0] == pytest.approx(whole[0] * MOST * (predicted + 1) / 100, rel=0.5)
    assert gained[0] < whole[0] / 4


def test_incidents_in_which_the_canary_is_better_are_no_reason_to_reject_what_is_within_the_tolerance() -> None:
    """Their errors count as evidence only up to a limit, but all of them count for the ratio."""
    strata = Strata(Multiple(2.0))
    for _ in range(80):
        strata = strata.add(Evidence(198, 200), Evidence(190, 200))
    assert compare_strata(strata).decision is Decision.REJECT
    for _ in range(4):
        strata = strata.add(Evidence(0, 200), Evidence(10, 200))
    found = compare_strata(strata)
    assert strata.log_evidence()[1] > -math.log(found.reject_alpha)
    assert found.ratio is not None
    assert found.ratio < 2
    assert found.decision is Decision.UNDECIDED


def test_reject_by_a_relative_tolerance_is_decided_at_a_share_of_alpha_that_the_comparisons_share() -> None:
    strata = Strata(Multiple(2.0))
    for _ in range(12):
        strata = strata.add(Evidence(97, 100), Evidence(85, 100))
    _, evidence = strata.log_evidence()
    alone, among = compare_strata(strata), compare_strata(strata, comparisons=10_000)
    assert -math.log(alone.reject_alpha) < evidence < -math.log(among.reject_alpha)
    assert (alone.decision, among.decision) == (Decision.REJECT, Decision.UNDECIDED)
