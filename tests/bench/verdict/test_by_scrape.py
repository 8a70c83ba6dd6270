"""Comparing within each scrape cancels what happens to both variants at the same moment."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.verdict.by_scrape import ByScrape, SumsSoFar
from bench.verdict.candidates import LiteralEProcess, LiteralStratified, NoCap
from bench.verdict.ours import Ours
from bench.verdict.pooled import Pooled, Stratified
from bench.verdict.rules import Rule
from bench.verdict.simulate import Result, simulate
from bench.verdict.streams import INCIDENT, Block, Cell, blocks


def results(cell: Cell, rules: tuple[type[Rule], ...], releases: int = 100) -> dict[str, Result]:
    return {one.rule: one for one in simulate(cell, releases, 1, rules)}


def dispersion(block: Block, row: int, looks: int, *, careful: bool) -> float:
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
        measured = (1 + (8 if careful else 2) / told) * (second - first**2 / weight) * looks / (looks - 1) / chance
    if looks < 8 or told < (16 if careful else 8):
        assumed = 1 + 0.05 * (max(sum(n for _, n in pair) for pair in pairs) / looks - 1)
        return max(assumed, measured) if careful else assumed
    return max(1.0, measured)


@pytest.mark.parametrize("kind", [LiteralStratified, LiteralEProcess, Stratified, Ours], ids=lambda kind: kind.__name__)
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
def test_the_dispersion_is_that_of_the_differences_within_each_scrape(cell: Cell, kind: type[ByScrape]) -> None:
    block = next(blocks(cell, 10, np.random.default_rng(3)))
    found = kind(cell, 10).dispersion(block, SumsSoFar(10).add(block))
    for row, looks in ((0, 1), (1, 7), (2, 8), (3, 9), (4, 30), (9, 60)):
        expected = dispersion(block, row, looks, careful=kind in (Stratified, Ours))
        assert math.isclose(found[row, looks - 1], expected, rel_tol=1e-9)


def test_one_incident_does_not_spoil_what_the_rule_predicts() -> None:
    cell = Cell(0.99, "equal", 1, 200, incident=INCIDENT)
    block = next(blocks(cell, 50, np.random.default_rng(4)))
    uncapped, ours = (1 - kind(cell, 50).predicted(block).mean(0) for kind in (NoCap, Ours))
    assert ours[INCIDENT - 1] == pytest.approx(uncapped[INCIDENT - 1], abs=0.001)
    assert uncapped[INCIDENT] > 0.1
    assert ours[INCIDENT] < 0.03


def test_the_confidence_sequence_by_scrape_decides_as_its_formula_also_after_traffic_has_changed() -> None:
    cell, releases = Cell(0.9, "equal", 1, 20, growth=16.0), 40
    found = blocks(cell, releases, np.random.default_rng(3))
    rule, so_far = Stratified(cell, releases), SumsSoFar(releases)
    expected, decided = [], []
    for block in (next(found), next(found)):
        decided.append(rule.judge(block))
        sums = so_far.add(block)
        scatter = rule.dispersion(block, sums)
        for row, look in np.ndindex(scatter.shape):
            weight, phi = float(sums.weight[look]), float(scatter[row, look])
            totals = [float(block.requests[i][look]) for i in (0, 1)]
            shares = [float(block.sums[i][row, look]) / totals[i] for i in (0, 1)]
            p = [(share * n / phi + 2) / (n / phi + 4) for share, n in zip(shares, totals, strict=True)]
            variance = sum(one * (1 - one) / (n / phi) for one, n in zip(p, totals, strict=True))
            variance *= (1 / weight) / (1 / totals[0] + 1 / totals[1])
            difference = sums.difference[row, look] / weight + (p[1] - p[0]) - (shares[1] - shares[0])
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
    so_far = SumsSoFar(5)
    before, after = so_far.add(first), so_far.add(second)
    difference = second.good[1][:, 0] / 80 - second.good[0][:, 0] / 20
    assert after.weight[0] == pytest.approx(before.weight[-1] + 16)
    assert np.allclose(after.difference[:, 0], before.difference[:, -1] + 16 * difference)
    assert np.allclose(after.square[:, 0], before.square[:, -1] + 16 * difference**2)


def test_a_shared_incident_delays_only_the_rule_that_pools_scrapes() -> None:
    quiet = Cell(0.99, "equal", 1, 20)
    usual, delayed = (results(cell, (Pooled, Stratified, Ours)) for cell in (quiet, replace(quiet, incident=INCIDENT)))
    ratios = {name: (delayed[name].median or 0) / (usual[name].median or 1) for name in usual}
    assert ratios[Pooled.name] > 2.5
    assert ratios[Stratified.name] < 1.6
    assert ratios[Ours.name] < 1.6


def test_changing_traffic_deceives_only_the_rule_that_pools_scrapes() -> None:
    promoted = {
        growth: results(Cell(0.99, "edge", 1, 200, growth=growth), (Pooled, Stratified, Ours)) for growth in (0.25, 4.0)
    }
    assert promoted[4.0][Pooled.name].promoted > 0.5
    assert promoted[0.25][Pooled.name].rejected > 0.5
    for found in promoted.values():
        for name in (Stratified.name, Ours.name):
            assert found[name].promoted <= 0.05
            assert found[name].rejected <= 0.05
