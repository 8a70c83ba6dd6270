"""The e-process is exact: its expectation is at most 1 under every canary that is worse by the tolerance or more.

Each test enumerates all counts of small scrapes, so that expectations are sums and not estimates.
"""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest

from bench.verdict.candidates import NoCap
from bench.verdict.ours import Ours, log_ratios, nearest
from bench.verdict.streams import Block, Cell
from canary.verdict.eprocess import PROMOTE, REJECT

ALTERNATIVES = (*PROMOTE, *REJECT)
ROUNDING = 1e-12
SIZES = ((1, 1), (4, 16), (16, 4), (7, 5), (20, 20), (3, 40))
TOLERANCES = (0.001, 0.01, 0.05, 0.3)
BEFORE = ((0, 0, 0, 0), (30, 30, 30, 30), (28, 30, 110, 120), (3, 30, 1, 30), (0, 9, 0, 2))
"""Good answers and all answers of baseline and canary in earlier scrapes."""


def scrape(
    good: tuple[np.ndarray, np.ndarray], sizes: tuple[int, int], before: tuple[int, ...] = (0, 0, 0, 0)
) -> Block:
    """One look at many releases, after the same earlier scrapes."""
    columns = (good[0][:, None].astype(float), good[1][:, None].astype(float))
    return Block(
        np.arange(len(good[0])),
        np.array([1]),
        columns,
        (np.array([sizes[0]]), np.array([sizes[1]])),
        (np.array([before[1] + sizes[0]]), np.array([before[3] + sizes[1]])),
        (before[0] + columns[0], before[2] + columns[1]),
    )


def counts(sizes: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """All good answers that baseline and canary can have in one scrape."""
    pairs = np.array(list(itertools.product(range(sizes[0] + 1), range(sizes[1] + 1))))
    return pairs[:, 0], pairs[:, 1]


def probabilities(
    good: tuple[np.ndarray, np.ndarray], sizes: tuple[int, int], shares: tuple[float, float]
) -> np.ndarray:
    """The probability of each pair of counts."""
    found = np.ones(len(good[0]))
    for many, size, share in zip(good, sizes, shares, strict=True):
        one = np.array([comb(size, k) * share**k * (1 - share) ** (size - k) for k in range(size + 1)])
        found *= one[many]
    return found


def nulls(tolerance: float, *, worse: bool) -> list[tuple[float, float]]:
    """Shares of baseline and canary at the edge of the tolerance and beyond it."""
    baselines = np.unique(np.clip([tolerance, tolerance + 0.01, 0.1, 0.5, 0.9, 0.97, 0.99, 0.999, 1.0], tolerance, 1.0))
    edge = [(float(share), float(share - tolerance)) for share in baselines]
    move = -0.02 if worse else 0.02
    return edge + [(share, canary) for share, other in edge if 0 <= (canary := other + move) <= 1]


@pytest.mark.parametrize("tolerance", TOLERANCES)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_no_alternative_gains_in_a_scrape_if_its_null_hypothesis_is_true(
    tolerance: float, sizes: tuple[int, int]
) -> None:
    good = counts(sizes)
    for before in BEFORE:
        block = scrape(good, sizes, before)
        predicted = np.full(block.good[0].shape, (before[0] + before[2] + 1) / (before[1] + before[3] + 2))
        ratios = np.exp(log_ratios(tolerance, block, predicted, ALTERNATIVES)[:, :, 0])
        for place, (difference, _) in enumerate(ALTERNATIVES):
            for shares in nulls(tolerance, worse=difference > -1):
                expectation = float(ratios[place] @ probabilities(good, sizes, shares))
                assert expectation <= 1 + ROUNDING, (before, difference, shares)


@pytest.mark.parametrize("kind", [Ours, NoCap], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("sizes", [(1, 4), (4, 1), (3, 3)], ids=str)
def test_the_mean_over_two_scrapes_does_not_gain_even_if_the_shares_drift(
    sizes: tuple[int, int], kind: type[Ours]
) -> None:
    cell = Cell(0.9, "edge", 1, 20)
    single = counts(sizes)
    first, second = np.array(list(itertools.product(range(len(single[0])), repeat=2))).T
    goods = [(single[0][of], single[1][of]) for of in (first, second)]
    rule = kind(cell, len(first))
    rule.log_evidence(scrape(goods[0], sizes), 1.0)
    later = scrape(goods[1], sizes)
    after = Block(
        later.rows,
        later.numbers + 1,
        later.good,
        later.totals,
        (later.totals[0] * 2, later.totals[1] * 2),
        (later.good[0] + goods[0][0][:, None], later.good[1] + goods[0][1][:, None]),
    )
    means = rule.log_evidence(after, 1.0)
    for mean, worse in zip(means, (True, False), strict=True):
        for before, now in itertools.product(nulls(cell.tolerance, worse=worse), repeat=2):
            chances = probabilities(goods[0], sizes, before) * probabilities(goods[1], sizes, now)
            assert float(np.exp(mean[:, 0]) @ chances) <= 1 + ROUNDING, (before, now)


@pytest.mark.parametrize("clump", [2, 5])
def test_clumps_of_equal_answers_gain_nothing_once_divided_by_their_size(clump: int) -> None:
    sizes, tolerance = (4, 6), 0.05
    good = counts(sizes)
    clumped = scrape((clump * good[0], clump * good[1]), (clump * sizes[0], clump * sizes[1]), (45, 50, 50, 50))
    predicted = np.full(clumped.good[0].shape, 0.95)
    ratios = np.exp(log_ratios(tolerance, clumped, predicted, ALTERNATIVES)[:, :, 0] / clump)
    for place, (difference, _) in enumerate(ALTERNATIVES):
        for shares in nulls(tolerance, worse=difference > -1):
            assert float(ratios[place] @ probabilities(good, sizes, shares)) <= 1 + ROUNDING


def test_the_nearest_point_of_the_line_has_the_least_divergence() -> None:
    baseline, canary, tolerance = np.array([4.0]), np.array([16.0]), 0.05
    q_b, q_c = (one[:, None] for one in np.array(list(itertools.product((0.1, 0.5, 0.95, 1 - 1e-9), repeat=2))).T)
    x, y = nearest(q_b, q_c, baseline, canary, tolerance)

    def divergence(x: np.ndarray) -> np.ndarray:
        parts = [
            many * (q * np.log(q / edge) + (1 - q) * np.log((1 - q) / (1 - edge)))
            for many, q, edge in ((baseline, q_b, x), (canary, q_c, x - tolerance))
        ]
        total: np.ndarray = parts[0] + parts[1]
        return total

    assert np.all((x > tolerance) & (x < 1))
    assert np.array_equal(y, x - tolerance)
    for near in ((1 - 1e-4) * x + 1e-4 * tolerance, (1 - 1e-4) * x + 1e-4):
        assert np.all(divergence(near) >= divergence(x) - ROUNDING)
