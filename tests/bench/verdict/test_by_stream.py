"""Comparing within each scrape cancels what happens to both variants at the same moment."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.verdict.blend import Blend
from bench.verdict.by_stream import COMPARED, INCIDENT, cells, table
from bench.verdict.eprocess import EProcess
from bench.verdict.guarded import GuardedEProcess, GuardedStratified
from bench.verdict.rules import Ours, Rule
from bench.verdict.simulate import Result, simulate
from bench.verdict.stratified import StrataSoFar, Stratified
from bench.verdict.streams import Block, Cell, blocks


def results(cell: Cell, rules: tuple[type[Rule], ...], releases: int = 100) -> dict[str, Result]:
    return {one.rule: one for one in simulate(cell, releases, 1, rules)}


def dispersion(block: Block, row: int, looks: int, *, guarded: bool) -> float:
    """The formula for the dispersion of differences, term by term."""
    pairs = [[(float(block.good[i][row, look]), int(block.totals[i][look])) for look in range(looks)] for i in (0, 1)]
    weight, first, second, canary_part = 0.0, 0.0, 0.0, 0.0
    for (good_b, n_b), (good_c, n_c) in zip(*pairs, strict=True):
        w, d = n_b * n_c / (n_b + n_c), good_c / n_c - good_b / n_b
        weight, first, second = weight + w, first + w * d, second + w * d * d
        canary_part += n_c / (n_b + n_c)
    shares = [sum(good for good, _ in pair) / sum(n for _, n in pair) for pair in pairs]
    told = sum(min(looks - 1, sum(g < n for g, n in pair), sum(g > 0 for g, _ in pair)) for pair in pairs)
    measured = 0.0
    if told:
        chance = shares[0] * (1 - shares[0]) * canary_part + shares[1] * (1 - shares[1]) * (looks - canary_part)
        measured = (1 + (8 if guarded else 2) / told) * (second - first**2 / weight) * looks / (looks - 1) / chance
    if looks < 8 or told < (16 if guarded else 8):
        assumed = 1 + 0.05 * (max(sum(n for _, n in pair) for pair in pairs) / looks - 1)
        return max(assumed, measured) if guarded else assumed
    return max(1.0, measured)


@pytest.mark.parametrize("kind", [Stratified, GuardedStratified], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "cell",
    [
        Cell(0.9, "edge", 0.25, 20, 0.05),
        Cell(0.99, "equal", 4, 20, incident=3),
        Cell(0.99, "equal", 1, 20, clump=10),
        Cell(0.9, "equal", 1, 20, growth=2.0),
    ],
    ids=lambda cell: cell.stream,
)
def test_the_dispersion_is_that_of_the_differences_within_each_scrape(cell: Cell, kind: type[Stratified]) -> None:
    block = next(blocks(cell, 10, np.random.default_rng(3)))
    found = kind(cell, 10).dispersion_by_scrape(block, StrataSoFar(10).add(block))
    for row, looks in ((0, 1), (1, 7), (2, 8), (3, 9), (4, 30), (9, 60)):
        expected = dispersion(block, row, looks, guarded=kind is GuardedStratified)
        assert math.isclose(found[row, looks - 1], expected, rel_tol=1e-9)


def test_one_incident_does_not_spoil_what_the_guarded_e_process_predicts() -> None:
    cell = Cell(0.99, "equal", 1, 200, incident=INCIDENT)
    block = next(blocks(cell, 50, np.random.default_rng(4)))
    plain, guarded = (1 - kind(cell, 50).pool(block).mean(0) for kind in (EProcess, GuardedEProcess))
    assert guarded[INCIDENT - 1] == pytest.approx(plain[INCIDENT - 1], abs=0.001)
    assert plain[INCIDENT] > 0.1
    assert guarded[INCIDENT] < 0.03


def test_the_rule_by_scrape_decides_as_its_formula_also_after_traffic_has_changed() -> None:
    cell, releases = Cell(0.9, "equal", 1, 20, growth=16.0), 40
    found = blocks(cell, releases, np.random.default_rng(3))
    rule, so_far = Stratified(cell, releases), StrataSoFar(releases)
    expected, decided = [], []
    for block in (next(found), next(found)):
        decided.append(rule.judge(block))
        strata = so_far.add(block)
        scatter = rule.dispersion_by_scrape(block, strata)
        for row, look in np.ndindex(scatter.shape):
            weight, phi = float(strata.weight[look]), float(scatter[row, look])
            totals = [float(block.requests[i][look]) for i in (0, 1)]
            shares = [float(block.sums[i][row, look]) / totals[i] for i in (0, 1)]
            p = [(share * n / phi + 2) / (n / phi + 4) for share, n in zip(shares, totals, strict=True)]
            variance = sum(one * (1 - one) / (n / phi) for one, n in zip(p, totals, strict=True))
            variance *= (1 / weight) / (1 / totals[0] + 1 / totals[1])
            difference = strata.difference[row, look] / weight + (p[1] - p[0]) - (shares[1] - shares[0])
            information = 2 * weight / phi * cell.tolerance / 4
            low, high = (
                math.sqrt(
                    variance * 2 * (information + 1) / information * math.log1p(math.sqrt(information + 1) / 2 / alpha)
                )
                for alpha in (0.05, 0.005)
            )
            promote = difference - low > -cell.tolerance and min(totals) >= 50
            expected.append(1 if promote else -1 if difference + high < -cell.tolerance else 0)
    both = np.concatenate([one.ravel() for one in decided])
    assert both.tolist() == expected
    assert set(expected) == {0, 1}


def test_the_sums_go_on_from_block_to_block() -> None:
    cell = Cell(0.9, "edge", 1, 20, growth=4.0)
    found = blocks(cell, 5, np.random.default_rng(3))
    first, second = next(found), next(found)
    so_far = StrataSoFar(5)
    before, after = so_far.add(first), so_far.add(second)
    difference = second.good[1][:, 0] / 80 - second.good[0][:, 0] / 20
    assert after.weight[0] == pytest.approx(before.weight[-1] + 16)
    assert np.allclose(after.difference[:, 0], before.difference[:, -1] + 16 * difference)
    assert np.allclose(after.square[:, 0], before.square[:, -1] + 16 * difference**2)


def test_a_shared_incident_delays_only_the_rule_that_pools_scrapes() -> None:
    quiet = Cell(0.99, "equal", 1, 20)
    usual, delayed = (
        results(cell, (Ours, Stratified, EProcess)) for cell in (quiet, replace(quiet, incident=INCIDENT))
    )
    ratios = {name: (delayed[name].median or 0) / (usual[name].median or 1) for name in usual}
    assert ratios[Ours.name] > 2.5
    assert ratios[Stratified.name] < 1.6
    assert ratios[EProcess.name] < 2


def test_changing_traffic_deceives_only_the_rule_that_pools_scrapes() -> None:
    found = results(Cell(0.99, "edge", 1, 200, growth=4.0), (Ours, Stratified, EProcess))
    assert found[Ours.name].promoted > 0.5
    assert found[Stratified.name].promoted <= 0.05
    assert found[EProcess.name].promoted <= 0.05


def test_the_blend_decides_like_the_e_process_until_both_variants_have_shown_an_error() -> None:
    cell, releases = Cell(0.99, "equal", 1, 20), 200
    rules = [kind(cell, releases) for kind in (Stratified, EProcess, Blend)]
    block = next(blocks(cell, releases, np.random.default_rng(4)))
    by_scrape, eprocess, blend = (rule.judge(block) for rule in rules)
    bad_before = [
        np.hstack([np.zeros((releases, 1)), (requests - sums)[:, :-1]])
        for requests, sums in zip(block.requests, block.sums, strict=True)
    ]
    clean = (bad_before[0] == 0) | (bad_before[1] == 0)
    assert clean.any()
    assert not clean.all()
    assert np.array_equal(blend, np.where(clean, eprocess, by_scrape))


def test_the_table_has_a_row_for_each_stream_and_marks_what_is_promoted_too_often() -> None:
    wanted = [cell for cell in cells() if (cell.share, cell.look) == (0.99, 200) and cell.ratio == 1]
    found = [
        Result(cell, rule.name, 0.06 if cell.kind == "edge" else 1, 0, 2000, 3000)
        for cell in wanted
        for rule in COMPARED
    ]
    lines = table(found, 400).splitlines()
    one_look = wanted[0].one_look
    assert f"| 99 % | 200 | × 1 | iid |{len(COMPARED) * f' {2000 / one_look:.2f}; **6.0 %** |'}" in lines
    assert f"| 99 % | 200 | × 1 | incident |{len(COMPARED) * f' {2000 / one_look:.2f}; 6.0 % |'}" in lines
    assert f"| {Ours.name} | 0.0 % | 0.0 % | 6.0 % | 6.0 % | 1 of 1 | 0 of 7 | 1.00 |" in lines
