"""The verdict on counts that a person passes: what it says, and its properties."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from canary.errors import InputError
from canary.verdict.comparison import Comparison, Decision
from canary.verdict.confidence import share_interval, width
from canary.verdict.evidence import Evidence
from canary.verdict.rule import combine, compare
from canary.verdict.tolerated import tolerated

TOLERANCES = st.floats(0, 1)


@st.composite
def evidences(draw: st.DrawFn, largest: int = 10**9) -> Evidence:
    total = draw(st.integers(0, largest))
    good = draw(st.one_of(st.integers(0, total), st.sampled_from([0, total])))
    return Evidence(good, total)


# What it says


@pytest.mark.parametrize(
    ("baseline", "canary", "tolerance", "decision", "sentence"),
    [
        (
            (98, 1000),
            (201, 1000),
            0.05,
            Decision.PROMOTE,
            "canary 20.1 % good vs baseline 9.8 %: better by 10.3 points (at least 5.8), 1,000 requests each",
        ),
        (
            (900, 1000),
            (890, 1000),
            0.05,
            Decision.PROMOTE,
            (
                "canary 89.0 % good vs baseline 90.0 %: worse by 1.0 points (at most 4.9 worse; tolerance 5.0)"
                ", 1,000 requests each"
            ),
        ),
        (
            (98, 100),
            (10, 110),
            0.05,
            Decision.REJECT,
            (
                "canary 9.1 % good vs baseline 98.0 %: worse by 88.9 points (at least 70.9; tolerance 5.0)"
                ", 110 and 100 requests"
            ),
        ),
        (
            (99_900, 100_000),
            (99_890, 100_000),
            0.001,
            Decision.PROMOTE,
            (
                "canary 99.89 % good vs baseline 99.90 %: worse by 0.01 points (at most 0.05 worse; tolerance 0.10)"
                ", 100,000 requests each"
            ),
        ),
        (
            (450, 500),
            (450, 500),
            0.05,
            Decision.UNDECIDED,
            (
                "canary 90.0 % good vs baseline 90.0 %: equal (between 5.3 worse and 6.9 better; tolerance 5.0)"
                ", 500 requests each"
            ),
        ),
        (
            (450, 500),
            (450, 500),
            None,
            Decision.UNDECIDED,
            "canary 90.0 % good vs baseline 90.0 %: equal (between 5.6 worse and 7.4 better), 500 requests each",
        ),
        (
            (3, 4),
            (4, 4),
            0.05,
            Decision.UNDECIDED,
            (
                "canary 100.0 % good vs baseline 75.0 %: better by 25.0 points (too few answers to say; tolerance 5.0)"
                ", 4 requests each"
            ),
        ),
        ((0, 0), (0, 0), 0.05, Decision.UNDECIDED, "no requests to canary and baseline yet"),
        ((0, 0), (3, 4), 0.05, Decision.UNDECIDED, "no requests to baseline yet (4 and 0 requests)"),
    ],
)
def test_a_comparison_decides_and_says_why(
    baseline: tuple[int, int], canary: tuple[int, int], tolerance: float | None, decision: Decision, sentence: str
) -> None:
    comparison = compare(Evidence(*baseline), Evidence(*canary), tolerance=tolerance)
    assert (comparison.sentence, comparison.decision) == (sentence, decision)


def test_the_sentence_of_a_latency_objective_names_its_limit() -> None:
    comparison = compare(Evidence(90, 100), Evidence(80, 100), tolerance=0.05, quality="within 250 ms")
    assert comparison.sentence.startswith("canary 80.0 % within 250 ms vs baseline 90.0 %: worse by 10.0 points")


@pytest.mark.parametrize(
    ("tolerance", "share", "sentence"),
    [
        (0.05, 0.999, "5.0 points a canary with up to 51 times the baseline's errors is still promoted"),
        (0.005, 0.12, "0.50 points a canary with up to 1.006 times the baseline's errors is still promoted"),
        (0.05, 0.1, "5.0 points a canary with up to 1.06 times the baseline's errors is still promoted"),
        (
            0.05,
            1.0,
            "5.0 points a canary that fails 5.0 % of its requests is still promoted, although the baseline fails none",
        ),
        (0.05, 0.04, "5.0 points every canary is promoted, because only 4.0 % of the baseline's requests are good"),
        (
            0.001,
            None,
            "0.10 points a canary with 0.10 more failed requests in 100 than the baseline is still promoted",
        ),
    ],
)
def test_a_tolerance_is_explained_as_a_multiple_of_the_baselines_errors(
    tolerance: float, share: float | None, sentence: str
) -> None:
    assert tolerated(tolerance, share) == f"with a tolerance of {sentence}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tolerance": 1.5}, r"tolerance 1.5: must be a share from 0 to 1, such as 0.05 for five points"),
        ({"tolerance": -0.1}, "tolerance -0.1"),
        ({"tolerance": 0.05, "alpha": 0.0}, "alpha 0"),
        ({"tolerance": 0.05, "alpha": 1.0}, "alpha 1"),
        ({"tolerance": 0.05, "comparisons": 0}, "0 comparisons"),
        ({"tolerance": 0.05, "scatter": 0.5}, "dispersion 0.5"),
        ({"tolerance": math.nan}, "tolerance nan"),
        ({"tolerance": 0.05, "scatter": math.inf}, "dispersion inf"),
    ],
)
def test_numbers_outside_their_range_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare(Evidence(1, 2), Evidence(1, 2), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(("good", "total"), [(3, 2), (-1, 2), (math.nan, 2), (1, math.inf)])
def test_impossible_counts_are_refused(good: float, total: float) -> None:
    with pytest.raises(InputError, match=r"canary: .* is impossible"):
        compare(Evidence(1, 2), Evidence(good, total), tolerance=0.05)
    with pytest.raises(ValueError, match="good of"):
        Evidence().add(3, 2)


# Several metrics and workloads


def made(decision: Decision, metric: str = "success", workload: str = "web") -> Comparison:
    counts = {Decision.PROMOTE: (990, 990), Decision.REJECT: (990, 100), Decision.UNDECIDED: (9, 9)}[decision]
    total = 10 if decision is Decision.UNDECIDED else 1000
    baseline, canary = (Evidence(good, total) for good in counts)
    comparison = compare(baseline, canary, tolerance=0.05, metric=metric, workload=workload)
    assert comparison.decision is decision
    return comparison


def test_promote_needs_every_comparison_and_reject_one() -> None:
    promote, undecided, reject = map(made, (Decision.PROMOTE, Decision.UNDECIDED, Decision.REJECT))
    assert combine([promote, promote]).decision is Decision.PROMOTE
    assert combine([promote, undecided]).decision is Decision.UNDECIDED
    assert combine([promote, undecided, reject]).decision is Decision.REJECT
    assert combine([]).decision is Decision.UNDECIDED


def test_the_sentence_names_the_metric_and_the_workload_that_decided() -> None:
    verdict = combine([made(Decision.PROMOTE, "success"), made(Decision.REJECT, "latency")])
    assert verdict.sentence.startswith("latency: canary 10.0 % good vs baseline 99.0 %: worse by 89.0 points")
    verdict = combine([made(Decision.PROMOTE, workload="web"), made(Decision.REJECT, workload="api")])
    assert verdict.sentence.startswith("api: canary")
    assert combine([made(Decision.REJECT)]).sentence.startswith("canary")


def test_reject_is_decided_at_a_share_of_alpha_and_promote_at_alpha() -> None:
    baseline, canary = Evidence(500, 1000), Evidence(360, 1000)
    alone = compare(baseline, canary, tolerance=0.05)
    among = compare(baseline, canary, tolerance=0.05, comparisons=100)
    assert (alone.decision, among.decision) == (Decision.REJECT, Decision.UNDECIDED)
    assert (alone.reject_alpha, among.reject_alpha) == (alone.alpha / 10, alone.alpha / 1000)
    assert among.interval[0] == alone.interval[0]
    assert among.interval[1] == pytest.approx(compare(baseline, canary, tolerance=0.05, alpha=0.0005).interval[1])


# Properties


@given(evidences(), evidences(), TOLERANCES, st.floats(1e-9, 0.3))
@example(Evidence(1e9, 1e9), Evidence(0, 1), 0.0, 1e-300)
@example(Evidence(0, 1), Evidence(1e9, 1e9), 1.0, 1e-300)
def test_all_numbers_are_finite_and_in_order(
    baseline: Evidence, canary: Evidence, tolerance: float, alpha: float
) -> None:
    comparison = compare(baseline, canary, tolerance=tolerance, alpha=alpha)
    low, high = comparison.interval
    assert -1 <= low < high <= 1
    if comparison.difference is None:
        assert comparison.decision is Decision.UNDECIDED
        assert (low, high) == (-1, 1)
    else:
        assert low <= comparison.difference <= high


@given(evidences(), evidences(), TOLERANCES)
def test_the_interval_decides_on_promote_and_reject(baseline: Evidence, canary: Evidence, tolerance: float) -> None:
    comparison = compare(baseline, canary, tolerance=tolerance)
    low, high = comparison.interval
    assert (comparison.decision is Decision.PROMOTE) == (low > -tolerance)
    assert (comparison.decision is Decision.REJECT) == (high < -tolerance)


@given(evidences(), evidences(), TOLERANCES)
def test_swapping_the_variants_mirrors_the_interval(one: Evidence, other: Evidence, tolerance: float) -> None:
    """At equal error levels, that is; those of its two ends differ."""
    low = compare(one, other, tolerance=tolerance, alpha=0.01).interval[0]
    high = compare(other, one, tolerance=tolerance, alpha=0.1).interval[1]
    assert low == pytest.approx(-high)


@given(evidences(10**6), evidences(10**6), TOLERANCES)
def test_calling_good_bad_mirrors_the_interval(baseline: Evidence, canary: Evidence, tolerance: float) -> None:
    low = compare(baseline, canary, tolerance=tolerance, alpha=0.01).interval[0]
    flipped = [Evidence(one.total - one.good, one.total) for one in (baseline, canary)]
    high = compare(flipped[0], flipped[1], tolerance=tolerance, alpha=0.1).interval[1]
    assert low == pytest.approx(-high)


ORDER = [Decision.REJECT, Decision.UNDECIDED, Decision.PROMOTE]


@given(evidences(10**5), evidences(10**5), TOLERANCES, st.integers(1, 1000))
def test_more_good_answers_of_the_canary_never_move_towards_reject(
    baseline: Evidence, canary: Evidence, tolerance: float, more: int
) -> None:
    """Of as many answers, that is. With next to no good ones PROMOTE may have to wait: the variance is unclear then."""
    better = Evidence(min(canary.good + more, canary.total), canary.total)
    before, after = (compare(baseline, one, tolerance=tolerance).decision for one in (canary, better))
    assert after is not Decision.REJECT or before is Decision.REJECT
    if canary.good >= 30:
        assert ORDER.index(after) >= ORDER.index(before)


# Closed forms


@pytest.mark.parametrize(
    ("tolerance", "rho_squared"), [(0.05, 0.0125), (0.001, 0.00025), (0.0, 0.000025), (None, 0.005)]
)
def test_the_width_is_the_formula_of_the_documentation(tolerance: float | None, rho_squared: float) -> None:
    baseline, canary, alpha = Evidence(300, 400), Evidence(90, 100), 0.05
    for scatter in (1, 4):
        n_b, n_c = 400 / scatter, 100 / scatter
        p_b, p_c = (300 / scatter + 2) / (n_b + 4), (90 / scatter + 2) / (n_c + 4)
        v = p_b * (1 - p_b) / n_b + p_c * (1 - p_c) / n_c
        i = 2 / (1 / n_b + 1 / n_c) * rho_squared
        expected = math.sqrt(v) * math.sqrt(2 * (i + 1) / i * math.log(1 + math.sqrt(i + 1) / (2 * alpha)))
        assert width(baseline, canary, alpha, tolerance=tolerance, scatter=scatter) == pytest.approx(expected)


@given(st.integers(1, 10**6), st.floats(0.001, 0.5), st.floats(1.001, 10))
def test_less_error_needs_a_wider_interval(total: int, alpha: float, factor: float) -> None:
    one = Evidence(total // 2, total)
    assert width(one, one, alpha / factor) > width(one, one, alpha)


def test_the_width_shrinks_nearly_with_the_root_of_the_requests() -> None:
    widths = [width(Evidence(n // 2, n), Evidence(n // 2, n), 0.05) for n in (10**k for k in range(1, 10))]
    assert all(later < earlier for earlier, later in pairwise(widths))
    assert 2.5 < widths[4] / widths[5] < math.sqrt(10)


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_a_share_lies_in_its_interval(total: int, share: float) -> None:
    evidence = Evidence(round(total * share), total)
    low, high = share_interval(evidence)
    assert 0 <= low <= evidence.good / total <= high <= 1
    assert share_interval(Evidence()) == (0, 1)
