"""Streams of requests: simulated releases whose true shares are known, look by look."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator

LOOKS_A_MINUTE = 12  # a scrape every 5 s
LEAST_LOOKS = 600  # fifty minutes, so that the fixed schedules of other rules can end
HORIZON = 8  # × one look; after that, a release stays undecided
BLOCK = 5 * LOOKS_A_MINUTE
Z = 1.6448536269514722  # 95 % of a normal distribution are below

SHARES = {0.1: 0.05, 0.5: 0.05, 0.9: 0.05, 0.99: 0.01, 0.999: 0.001, 1.0: 0.001}
"""The baseline's share of good requests, and a tolerance that suits it."""
DIFFERENCES = {"equal": 0, "edge": -1, "twice": -2, "better": 1}
"""The canary's share minus the baseline's, in tolerances."""


@dataclass(frozen=True)
class Cell:
    """One kind of release.

    Attributes:
        share: the baseline's true share of good requests.
        kind: key of `DIFFERENCES`.
        ratio: the canary's requests divided by the baseline's.
        look: requests of the baseline per look.
        correlation: of the answers within one look (beta-binomial), 0 for independent ones.
        slow: whether the first tenth of the canary's requests is worse by two tolerances.
    """

    share: float
    kind: str
    ratio: float
    look: int
    correlation: float = 0.0
    slow: bool = False

    @property
    def tolerance(self) -> float:
        """Return the share by which the canary may be worse."""
        return SHARES[self.share]

    @property
    def canary_share(self) -> float:
        """Return the canary's true share."""
        return min(1.0, max(0.0, self.share + DIFFERENCES[self.kind] * self.tolerance))

    @property
    def one_look(self) -> float:
        """Return the requests of a baseline for one look: errors of 5 % on both sides, variance at the edge."""
        edge = max(0.0, self.share - self.tolerance)
        variance = self.share * (1 - self.share) + edge * (1 - edge) / self.ratio
        return (2 * Z / self.tolerance) ** 2 * variance

    @property
    def iid(self) -> bool:
        """Return whether answers are independent and the canary is the same from the start."""
        return not self.correlation and not self.slow

    @property
    def stream(self) -> str:
        """Return the kind of answers: `iid`, `0.01`, `0.05` or `slow`."""
        return "slow" if self.slow else f"{self.correlation:g}" if self.correlation else "iid"


def grid() -> list[Cell]:
    """Return all cells."""
    streams = ((0.0, False), (0.01, False), (0.05, False), (0.0, True))
    return [
        Cell(share, kind, ratio, look, correlation, slow)
        for share, kind, ratio, look, (correlation, slow) in itertools.product(
            SHARES, DIFFERENCES, (0.25, 1, 4), (20, 200), streams
        )
    ]


@dataclass(frozen=True)
class Block:
    """Consecutive looks at several releases; arrays have a row for each release and a column for each look.

    Attributes:
        rows: numbers of the releases.
        numbers: of the looks, from 1.
        good: good requests of each look, of baseline and canary.
        totals: requests of each look, of baseline and canary.
        sums: good requests since the beginning.
        spreads: sums of good² / total since the beginning.
    """

    rows: np.ndarray
    numbers: np.ndarray
    good: tuple[np.ndarray, np.ndarray]
    totals: tuple[int, int]
    sums: tuple[np.ndarray, np.ndarray]
    spreads: tuple[np.ndarray, np.ndarray]

    @cached_property
    def scatter(self) -> np.ndarray:
        """Return for each variant Pearson's χ², its degrees of freedom, and the scrapes or errors behind it."""
        degrees, found = np.maximum(self.numbers - 1, 1), []
        for good, spread, total in zip(self.sums, self.spreads, self.totals, strict=True):
            bad = self.numbers * total - good
            mixed = (good > 0) & (bad > 0)
            share = np.where(mixed, good / (good + bad), 0.5)
            chi = np.maximum(0.0, spread - good * share) / (share * (1 - share))
            known_by = np.minimum(degrees, np.minimum(good, bad))
            found.append(mixed * np.stack([chi, np.broadcast_to(degrees, good.shape), known_by]))
        return np.stack(found)


def blocks(cell: Cell, releases: int, rng: np.random.Generator) -> Generator[Block, np.ndarray | None, None]:
    """Yield a cell's releases block by block; `send` the numbers of the releases to continue."""
    looks = max(LEAST_LOOKS, math.ceil(HORIZON * cell.one_look / cell.look))
    slow_looks = round(cell.one_look / cell.look / 10) if cell.slow else 0
    totals = (cell.look, max(1, round(cell.look * cell.ratio)))
    sums, spreads = np.zeros((2, releases)), np.zeros((2, releases))
    rows = np.arange(releases)
    for first in range(0, looks, BLOCK):
        numbers = np.arange(first + 1, min(first + BLOCK, looks) + 1)
        canary = np.where(numbers <= slow_looks, max(0.0, cell.canary_share - 2 * cell.tolerance), cell.canary_share)
        shape = (len(rows), len(numbers))
        good = tuple(
            _good(rng, total, np.broadcast_to(shares, shape), cell.correlation)
            for total, shares in zip(totals, (np.full(len(numbers), cell.share), canary), strict=True)
        )
        both = [sums[i][rows, None] + np.cumsum(good[i], 1) for i in (0, 1)]
        spread = [spreads[i][rows, None] + np.cumsum(good[i] ** 2 / totals[i], 1) for i in (0, 1)]
        wanted = yield Block(rows, numbers, (good[0], good[1]), totals, (both[0], both[1]), (spread[0], spread[1]))
        for i in (0, 1):
            sums[i][rows], spreads[i][rows] = both[i][:, -1], spread[i][:, -1]
        rows = rows if wanted is None else wanted
        if not len(rows):
            return


def _good(rng: np.random.Generator, total: int, shares: np.ndarray, correlation: float) -> np.ndarray:
    if correlation and 0 < shares.flat[0] < 1:
        size = (1 - correlation) / correlation
        shares = rng.beta(np.maximum(shares * size, 1e-12), np.maximum((1 - shares) * size, 1e-12))
    return rng.binomial(total, shares).astype(float)
