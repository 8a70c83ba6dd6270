"""The pictures of a release show what was counted, and what the rule says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.chart.answers import draw_answers
from canary.chart.of_counts import answers_of, funnel_of, rates_of, shares_of
from canary.chart.points import PointsSoFar
from canary.marks import Variant
from canary.verdict.comparison import Decision
from canary.verdict.evidence import Evidence
from canary.verdict.history import History
from canary.verdict.looks import Counts, Look
from canary.verdict.replay import replay
from canary.verdict.tolerance import Multiple, Tolerance

START = 1.7e9


def counts_of(looks: int, canary: int = 18, tolerance: Tolerance | None = 0.05, *, stable: bool = True) -> Counts:
    """Return counts with 20 answers per look: 18 good ones of the baseline, `canary` good ones of the canary."""
    return Counts(
        "app",
        "success",
        tolerance,
        0.05,
        1,
        tuple(
            Look(
                START + 2 * n,
                Evidence(18 * n - n % 3, 20 * n),
                Evidence(canary * n - (n + 1) % 3, 20 * n),
                Evidence(90 * n, 100 * n) if stable else None,
            )
            for n in range(1, looks + 1)
        ),
    )


@pytest.mark.parametrize("tolerance", [0.05, Multiple(1.5), None])
def test_the_points_of_a_funnel_are_what_the_rule_says_at_each_look(tolerance: Tolerance | None) -> None:
    counts = counts_of(60, 17, tolerance)
    funnel = funnel_of(counts)
    verdicts = replay([counts]).verdicts
    said = [(at, verdict.comparisons[0]) for at, verdict in verdicts]
    assert [one.at for one in funnel.points] == [at for at, _ in said]
    if isinstance(tolerance, Multiple):
        assert [(one.middle, one.low, one.high) for one in funnel.points] == [
            (c.ratio, *c.ratio_interval) for _, c in said
        ]
    else:
        assert [(one.middle, one.low, one.high) for one in funnel.points] == [
            (c.difference, *c.interval) for _, c in said
        ]


@pytest.mark.parametrize(("canary", "decision"), [(18, Decision.PROMOTE), (10, Decision.REJECT)])
def test_a_decision_is_marked_where_the_rule_first_made_it_for_good(canary: int, decision: Decision) -> None:
    counts = counts_of(150, canary)
    decisions = [(at, verdict.decision) for at, verdict in replay([counts]).verdicts]
    last_other = max(place for place, (_, one) in enumerate(decisions) if one is not decision)
    assert funnel_of(counts).decided == (decisions[last_other + 1][0], decision)
    assert funnel_of(replace(counts, looks=counts.looks[: last_other + 1])).decided is None


def test_the_release_s_own_last_comparison_is_the_last_point() -> None:
    counts = counts_of(40)
    every_second = replace(counts, looks=(*counts.looks[:-1:2], counts.looks[-1]))
    comparison = replay([counts]).verdicts[-1][1].comparisons[0]
    last = funnel_of(every_second, comparison).points[-1]
    assert (last.at, last.middle, last.low, last.high) == (
        counts.looks[-1].at, comparison.difference, *comparison.interval,
    )  # fmt: skip


def test_looks_without_answers_of_both_variants_have_no_point() -> None:
    looks = [Look(START + n, Evidence(), Evidence(9 * n, 10 * n)) for n in range(5)]
    counts = replace(counts_of(1), looks=tuple(looks))
    assert funnel_of(counts).points == ()
    assert funnel_of(replace(counts, looks=())).points == ()


def test_a_picture_that_is_drawn_again_goes_on_with_the_points_so_far() -> None:
    counts, so_far = counts_of(80), PointsSoFar()
    for looks in (1, 10, 10, 50, 80):
        part = replace(counts, looks=counts.looks[:looks])
        assert funnel_of(part, so_far=so_far) == funnel_of(part)


def test_points_so_far_stay_as_exact_as_they_were_when_looks_are_left_out_later() -> None:
    counts, so_far = counts_of(81), PointsSoFar()
    before = funnel_of(replace(counts, looks=counts.looks[:80]), so_far=so_far)
    left = replace(counts, looks=(counts.looks[0], *counts.looks[40::4]))
    after = funnel_of(left, so_far=so_far)
    kept = {one.at for one in left.looks}
    assert after.points[:-1] == tuple(one for one in before.points if one.at in kept)
    assert after.points[-1] == funnel_of(counts).points[-1]
    assert funnel_of(left).points[-2] != after.points[-2]


LATER = tuple(replace(look, at=look.at + 3600) for look in counts_of(20, 15).looks)


@pytest.mark.parametrize(
    "other",
    [{"tolerance": 0.02}, {"alpha": 0.01}, {"comparisons": 3}, {"looks": counts_of(20, 15).looks}, {"looks": LATER}],
)
def test_another_release_or_another_rule_is_compared_from_the_beginning(other: dict[str, object]) -> None:
    so_far = PointsSoFar()
    funnel_of(counts_of(30), so_far=so_far)
    counts = replace(counts_of(40), **other)  # type: ignore[arg-type]
    assert funnel_of(counts, so_far=so_far) == funnel_of(counts)


def test_shares_are_those_of_each_time_and_the_whole_one_beside_them() -> None:
    looks = [Look(START + 2 * n, Evidence(20 * n, 20 * n), Evidence(20 * min(n, 50), 20 * n)) for n in range(101)]
    lines = shares_of(replace(counts_of(1), looks=tuple(looks)))
    baseline, canary = lines.lines
    assert {value for _, value in baseline.points} == {1.0}
    assert canary.points[0][1] == 1.0
    assert canary.points[-1] == (START + 200, 0.0)
    assert (canary.overall, baseline.overall) == (0.5, 1.0)


def test_a_share_has_enough_answers_behind_it_unless_there_are_fewer_in_all() -> None:
    counts = counts_of(30)
    assert [len(line.points) for line in shares_of(counts).lines] == [29, 9, 9]
    few = shares_of(replace(counts, looks=counts.looks[:2]))
    assert [line.points for line in few.lines[1:]] == [((START + 4, 17 / 20),), ((START + 4, 20 / 20),)]


def test_every_answer_after_the_first_look_is_in_a_column() -> None:
    counts = counts_of(1000)
    for variant, columns in answers_of(counts).columns:
        assert len(columns) <= 60
        first, last = ({Variant.STABLE: one.stable, Variant.BASELINE: one.baseline, Variant.CANARY: one.canary}[variant]
                       for one in (counts.looks[0], counts.looks[-1]))  # fmt: skip
        assert first is not None
        assert last is not None
        shown = sum(one.good + one.bad for one in columns)
        assert shown == pytest.approx(last.total - first.total, rel=0.03)


def test_rates_are_requests_per_second_of_each_variant() -> None:
    lines = {one.variant: one for one in rates_of(counts_of(100)).lines}
    assert [lines[one].points[-1][1] for one in (Variant.STABLE, Variant.BASELINE, Variant.CANARY)] == [50, 10, 10]
    assert Variant.STABLE not in {one.variant for one in rates_of(counts_of(100, stable=False)).lines}


def test_stable_s_counts_of_the_cluster_are_in_the_pictures() -> None:
    history = History()
    for n in range(1, 40):
        evidence = {(one, "success"): Evidence(9 * n, 10 * n) for one in Variant}
        history = history.add(START + n, evidence)
    counts = replace(counts_of(1), looks=history.looks("success"))
    assert [one.variant for one in shares_of(counts).lines] == [Variant.STABLE, Variant.BASELINE, Variant.CANARY]


def test_the_rule_does_not_see_stable() -> None:
    with_, without = counts_of(60), counts_of(60, stable=False)
    assert funnel_of(with_) == funnel_of(without)


@pytest.mark.parametrize("looks", [2, 61, 150])
def test_the_sums_of_answers_are_those_of_all_looks_also_of_the_first_and_of_what_fills_no_column(looks: int) -> None:
    counts = counts_of(looks)
    picture = draw_answers(answers_of(counts), title="answers")
    last = counts.looks[-1]
    assert f"baseline {last.baseline.good:,.0f} good and {last.baseline.bad:,.0f} others" in picture
