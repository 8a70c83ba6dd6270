"""A candidate for the verdict: a restricted 2×2 e-process, exact for independent answers at every number of them.

After R. Turner, A. Ly and P. Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional
stopping", Journal of Statistical Planning and Inference 230 (2024). Each scrape multiplies the likelihood ratio of an
alternative (q_b, q_c), predicted from earlier scrapes only, against the nearest point (x, y) of the line y = x − τ. τ
is the tolerance. The nearest point has the least Kullback–Leibler divergence, weighted by the variants' answers n:

    f(x) = n_b (q_b − x) / (x (1 − x)) + n_c (q_c − y) / (y (1 − y)) = 0

The null hypothesis "the canary is worse by τ or more" is convex, so the expectation of this ratio is at most 1 for all
of it, whatever the shares were in earlier scrapes. So is that of a weighted mean over several alternatives, and it
exceeds 1/α at any look with probability α at most (Ville's inequality). REJECT is the same with the other half-plane.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.rules import LEAST_REQUESTS
from bench.verdict.stratified import Stratified

if TYPE_CHECKING:
    from bench.verdict.streams import Block, Cell

PROMOTE = ((0.0, 0.55), (-0.5, 0.15), (-0.8, 0.05), (1.0, 0.25))
REJECT = ((-2.0, 0.55), (-1.5, 0.15), (-3.0, 0.15), (-8.0, 0.10), (-32.0, 0.05))
"""Differences of the alternatives, in tolerances, with their weights."""
ALTERNATIVES = (*PROMOTE, *REJECT)
LEAST_SHARE = 1e-9  # alternatives are not nearer to 0 and 1, so that one answer rules none of them out


class EProcess(Stratified):
    """The restricted 2×2 e-process, with the dispersion of the rule by scrape."""

    name = "B: e-process"
    source = "Turner, Ly and Grünwald (2024)"

    def __init__(self, cell: Cell, releases: int) -> None:
        """Start with a likelihood ratio of 1 for each alternative."""
        super().__init__(cell, releases)
        self._log_ratios = np.zeros((len(ALTERNATIVES), releases))

    def judge(self, block: Block) -> np.ndarray:
        """Return the decisions from the likelihood ratios."""
        scatter = self.dispersion_by_scrape(block, self._so_far.add(block))
        promote, reject = self.log_means(block, scatter)
        enough = np.minimum(*block.requests) >= LEAST_REQUESTS
        return np.where(
            (promote >= math.log(1 / 0.05)) & enough, 1, np.where(reject >= math.log(self.reject_share / 0.05), -1, 0)
        )

    def log_means(self, block: Block, scatter: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Return the logarithms of the weighted mean ratios at each look of the next block, for PROMOTE and REJECT.

        Args:
            block: the looks after those of the block before.
            scatter: the dispersion, by which the logarithms of the ratios are divided.
        """
        steps = self.log_ratios(block, self.pool(block))
        ratios = self._log_ratios[:, block.rows, None] + np.cumsum(steps, 2)
        self._log_ratios[:, block.rows] = ratios[..., -1]
        many = len(PROMOTE)
        return _log_mean(PROMOTE, ratios[:many] / scatter), _log_mean(REJECT, ratios[many:] / scatter)

    def log_ratios(self, block: Block, pool: np.ndarray) -> np.ndarray:
        """Return the logarithm of the likelihood ratio of each alternative for each release and look."""
        return log_ratios(self.cell.tolerance, block, pool)

    def pool(self, block: Block) -> np.ndarray:
        """Return the share of good answers of both variants that earlier scrapes predict for each look."""
        good = block.sums[0] + block.sums[1] - block.good[0] - block.good[1]
        total = block.requests[0] + block.requests[1] - block.totals[0] - block.totals[1]
        pool: np.ndarray = (good + 1) / (total + 2)
        return pool


def log_ratios(tolerance: float, block: Block, pool: np.ndarray) -> np.ndarray:
    """Return the logarithm of the likelihood ratio of each alternative for each release and look.

    Args:
        tolerance: share by which the canary may be worse.
        block: the looks.
        pool: the share of good answers that earlier looks predict, for each release and look.
    """
    baseline, canary = block.totals
    part = canary / (baseline + canary)
    found = []
    for place, (difference, _) in enumerate(ALTERNATIVES):
        q_b = np.clip(pool - difference * tolerance * part, LEAST_SHARE, 1 - LEAST_SHARE)
        q_c = np.clip(pool + difference * tolerance * (1 - part), LEAST_SHARE, 1 - LEAST_SHARE)
        x, y = nearest(q_b, q_c, baseline, canary, tolerance)
        ratio = sum(
            good * np.log(q / edge) + (total - good) * np.log((1 - q) / (1 - edge))
            for good, total, q, edge in ((block.good[0], baseline, q_b, x), (block.good[1], canary, q_c, y))
        )
        right_side = q_c > q_b - tolerance if place < len(PROMOTE) else q_c < q_b - tolerance
        found.append(np.where(right_side, ratio, 0.0))
    return np.stack(found)


def nearest(
    q_b: np.ndarray, q_c: np.ndarray, baseline: np.ndarray, canary: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of baseline and canary on the line of the tolerance that are nearest to (q_b, q_c).

    The root of f lies between q_b and q_c + τ, where f falls. Newton's method stays in this bracket by bisection.
    f is multiplied by its denominators, which changes neither root nor sign.
    """
    shape = q_b.shape
    q_b, q_c, n_b, n_c = (np.broadcast_to(one, shape).ravel() for one in (q_b, q_c, baseline, canary))
    lower, upper = (np.clip(end(q_b, q_c + tolerance), tolerance, 1.0) for end in (np.minimum, np.maximum))
    x, found, places = (lower + upper) / 2, np.empty(q_b.size), np.arange(q_b.size)
    for _ in range(100):
        y = x - tolerance
        slope_b, slope_c, spread_b, spread_c = n_b * (q_b - x), n_c * (q_c - y), x * (1 - x), y * (1 - y)
        value = slope_b * spread_c + slope_c * spread_b
        derivative = slope_b * (1 - 2 * y) - n_b * spread_c + slope_c * (1 - 2 * x) - n_c * spread_b
        lower, upper = np.where(value >= 0, x, lower), np.where(value <= 0, x, upper)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = x - value / derivative
        following = np.where((newton >= lower) & (newton <= upper), newton, (lower + upper) / 2)
        moving = np.abs(following - x) > 4e-16 * x
        x = following
        if moving.mean() < 0.5:
            found[places[~moving]] = x[~moving]
            places, x, lower, upper = places[moving], x[moving], lower[moving], upper[moving]
            q_b, q_c, n_b, n_c = q_b[moving], q_c[moving], n_b[moving], n_c[moving]
            if not len(places):
                break
    found[places] = x
    x = found.reshape(shape)
    return x, x - tolerance


def _log_mean(alternatives: tuple[tuple[float, float], ...], ratios: np.ndarray) -> np.ndarray:
    weighted = ratios + np.log([weight for _, weight in alternatives])[:, None, None]
    largest = weighted.max(0)
    mean: np.ndarray = largest + np.log(np.exp(weighted - largest).sum(0))
    return mean
