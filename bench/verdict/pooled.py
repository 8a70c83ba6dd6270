"""Candidates for the verdict: the confidence sequence of `canary.verdict.confidence`, pooled and by scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.by_scrape import ByScrape
from bench.verdict.rules import LEAST_REQUESTS, Rule
from canary.verdict.confidence import PSEUDO_GOOD, SMALLEST_TOLERANCE
from canary.verdict.rule import REJECT_SHARE

if TYPE_CHECKING:
    from bench.verdict.streams import Block, Cell

LEAST_SCRAPES = 8
CORRELATION = 0.05  # of the answers within one scrape, presumed before the eighth


class Pooled(Rule):
    """Adds up all scrapes of each variant, then compares the two shares.

    The dispersion is that of each variant's counts: Pearson's χ² over its degrees of freedom.
    """

    name = "pooled"

    def __init__(self, cell: Cell, releases: int) -> None:
        """Start with no scrapes."""
        super().__init__(cell, releases)
        self._spreads = np.zeros((2, releases))

    def judge(self, block: Block) -> np.ndarray:
        """Return the decisions from the difference of the shares of all requests."""
        scatter = self._dispersion(block)
        p, n = smoothed(block, scatter)
        low, high = widths(variance(p, n), 2 / (1 / n[0] + 1 / n[1]), self.cell.tolerance)
        return decisions(block, p[1] - p[0], low, high, self.cell.tolerance)

    def _dispersion(self, block: Block) -> np.ndarray:
        chi, degrees, known_by = 0.0, 0.0, 0.0
        of_each = np.maximum(block.numbers - 1, 1)
        for place, (good, total) in enumerate(zip(block.sums, block.requests, strict=True)):
            new = block.good[place] ** 2 / block.totals[place]
            spread = self._spreads[place][block.rows, None] + np.cumsum(new, 1)
            self._spreads[place][block.rows] = spread[:, -1]
            mixed = (good > 0) & (good < total)
            share = np.where(mixed, good / total, 0.5)
            chi += mixed * np.maximum(0.0, spread - good * share) / (share * (1 - share))
            degrees += mixed * of_each
            known_by += mixed * np.minimum(of_each, np.minimum(good, total - good))
        seen = (1 + 2 / np.maximum(known_by, 1e-9)) * chi / np.maximum(degrees, 1e-9)
        presumed = 1 + CORRELATION * (np.maximum(*block.requests) / block.numbers - 1)
        return np.maximum(1.0, np.where(block.numbers < LEAST_SCRAPES, presumed, np.where(known_by > 0, seen, 1.0)))


class Stratified(ByScrape):
    """The same, from the differences within each scrape.

    The difference is D₁/W, plus what smoothing moves the pooled one, and its variance is as much larger as 1/W is than
    1/n_b + 1/n_c. Both n are all answers of a variant.
    """

    name = "A, with the dispersion of the rule"

    def judge(self, block: Block) -> np.ndarray:
        """Return the decisions from the differences within each scrape."""
        sums = self.sums(block)
        scatter = self.dispersion(block, sums)
        p, n = smoothed(block, scatter)
        shares = [good / total for good, total in zip(block.sums, block.requests, strict=True)]
        smoothing = (p[1] - p[0]) - (shares[1] - shares[0])
        stretch = (1 / sums.weight) / (1 / block.requests[0] + 1 / block.requests[1])
        low, high = widths(variance(p, n) * stretch, 2 * sums.weight / scatter, self.cell.tolerance)
        return decisions(block, sums.difference / sums.weight + smoothing, low, high, self.cell.tolerance)


def smoothed(block: Block, scatter: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the smoothed shares of both variants, and how many independent requests each has."""
    n = [total / scatter for total in block.requests]
    counts = zip(block.sums, n, block.requests, strict=True)
    return [(good * m / total + PSEUDO_GOOD) / (m + 2 * PSEUDO_GOOD) for good, m, total in counts], n


def variance(p: list[np.ndarray], n: list[np.ndarray]) -> np.ndarray:
    """Return the variance of the difference of two shares after n independent requests."""
    found: np.ndarray = p[0] * (1 - p[0]) / n[0] + p[1] * (1 - p[1]) / n[1]
    return found


def widths(variance: np.ndarray, requests: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the widths for PROMOTE and REJECT after so many independent requests of each variant."""
    information = requests * max(SMALLEST_TOLERANCE, tolerance) / 4
    low, high = (
        np.sqrt(variance * 2 * (information + 1) / information * np.log1p(np.sqrt(information + 1) / (2 * error)))
        for error in (0.05, 0.05 / REJECT_SHARE)
    )
    return low, high


def decisions(block: Block, difference: np.ndarray, low: np.ndarray, high: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the decisions from a difference and its widths."""
    enough = np.minimum(*block.requests) >= LEAST_REQUESTS
    return np.where((difference - low > -tolerance) & enough, 1, np.where(difference + high < -tolerance, -1, 0))
