"""Streams of requests: simulated releases whose true shares are known, look by look."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator

LOOKS_A_MINUTE = 12  # a scrape every 5 s
LEAST_LOOKS = 600  # fifty minutes, so that the fixed schedules of other rules can end
HORIZON = 8  # × one look; after that, a release stays undecided
BLOCK = 5 * LOOKS_A_MINUTE
CHANGE = 60
"""The look after which traffic changes."""
Z = 1.6448536269514722  # 95 % of a normal distribution are below

INCIDENT = 5
"""The look of a shared incident: before any rule has decided."""
CLUMP = 5
SHARES = (0.1, 0.5, 0.9, 0.99, 0.999, 1.0)
"""The baseline's shares of good requests in the grid."""
TOLERANCES = dict.fromkeys((0.1, 0.2, 0.5, 0.9), 0.05)
TOLERANCES |= {0.95: 0.02, 0.99: 0.01, 0.999: 0.001, 0.9999: 0.0001, 1.0: 0.001}
"""A tolerance that suits the baseline's share of good requests."""
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
        incident: number of the look at which half of both variants' answers are bad; 0 for none.
        growth: factor by which the canary's traffic grows after the look `CHANGE`, when both shares rise by two
            tolerances; 1 for neither.
        clump: answers of one variant that are always alike: all good, or all bad.
        testers: by how many tolerances testers' requests are answered better than those of others. All requests that
            the canary gets more than the baseline are testers'.

    The last four are not in the representation, so that the streams of the other cells keep their random numbers.
    """

    share: float
    kind: str
    ratio: float
    look: int
    correlation: float = 0.0
    slow: bool = False
    incident: int = field(default=0, repr=False)
    growth: float = field(default=1.0, repr=False)
    clump: int = field(default=1, repr=False)
    testers: float = field(default=0.0, repr=False)

    @property
    def tolerance(self) -> float:
        """Return the share by which the canary may be worse."""
        return TOLERANCES[self.share]

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
        """Return whether answers are independent, and both variants the same from the start to the end."""
        return self.stream == "iid"

    @property
    def stream(self) -> str:
        """Return the kind of answers: `iid`, `0.05`, `slow`, `incident`, `traffic × 2`, `clumps of 5`, `testers -1`."""
        kinds = [
            "slow" if self.slow else "",
            "incident" if self.incident else "",
            f"traffic × {self.growth:g}" if self.growth != 1 else "",
            f"clumps of {self.clump}" if self.clump > 1 else "",
            f"{self.correlation:g}" if self.correlation else "",
            f"testers {self.testers:+g}" if self.testers else "",
        ]
        return ", ".join(filter(None, kinds)) or "iid"

    def requests(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the requests of baseline and canary at the looks with these numbers."""
        growth = np.where(numbers > CHANGE, self.growth, 1.0)
        canary = np.maximum(1, np.round(self.look * self.ratio * growth)).astype(int)
        return np.full(len(numbers), self.look), canary

    def shares(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the true shares of baseline and canary at the looks with these numbers."""
        slow_looks = round(self.one_look / self.look / 10) if self.slow else 0
        canary = np.where(numbers <= slow_looks, max(0.0, self.canary_share - 2 * self.tolerance), self.canary_share)
        baseline = np.full(len(numbers), self.share)
        if self.testers:
            canary = np.clip(canary + (1 - 1 / self.ratio) * self.testers * self.tolerance, 0.0, 1.0)
        if self.growth != 1:
            rise = 2 * self.tolerance
            lowest = 0.0 if self.share < 4 * self.tolerance else -rise  # else the canary's share would fall below 0
            move = np.where(numbers <= CHANGE, lowest, lowest + rise)
            baseline, canary = baseline + move, canary + move
        if self.incident:
            baseline, canary = (np.where(numbers == self.incident, 0.5, one) for one in (baseline, canary))
        return baseline, canary


def grid() -> list[Cell]:
    """Return all cells.

    Clumps, incidents and changes of traffic begin with as much traffic on the canary as on the baseline.
    """
    found = []
    for share, kind, ratio, look in itertools.product(SHARES, DIFFERENCES, (0.25, 1, 4), (20, 200)):
        cell = Cell(share, kind, ratio, look)
        found += [replace(cell, correlation=correlation) for correlation in (0.0, 0.01, 0.05)]
        found.append(replace(cell, slow=True))
        if ratio == 1:
            found += [replace(cell, clump=CLUMP), replace(cell, incident=INCIDENT)]
            found += [replace(cell, growth=growth) for growth in (0.25, 1.5, 2.0, 4.0)]
    return found


@dataclass(frozen=True)
class Block:
    """Consecutive looks at several releases; arrays have a row for each release and a column for each look.

    Attributes:
        rows: numbers of the releases.
        numbers: of the looks, from 1.
        good: good requests of each look, of baseline and canary.
        totals: requests of each look, of baseline and canary, the same for all releases.
        requests: requests since the beginning, the same for all releases.
        sums: good requests since the beginning.
    """

    rows: np.ndarray
    numbers: np.ndarray
    good: tuple[np.ndarray, np.ndarray]
    totals: tuple[np.ndarray, np.ndarray]
    requests: tuple[np.ndarray, np.ndarray]
    sums: tuple[np.ndarray, np.ndarray]

    def of(self, places: np.ndarray) -> Block:
        """Return the block with some of its releases."""
        return replace(
            self,
            rows=self.rows[places],
            good=(self.good[0][places], self.good[1][places]),
            sums=(self.sums[0][places], self.sums[1][places]),
        )


def blocks(cell: Cell, releases: int, rng: np.random.Generator) -> Generator[Block, np.ndarray | None, None]:
    """Yield a cell's releases block by block; `send` the numbers of the releases to continue."""
    looks = max(LEAST_LOOKS, math.ceil(HORIZON * cell.one_look / cell.look))
    sums = np.zeros((2, releases))
    before = [0, 0]
    rows = np.arange(releases)
    for first in range(0, looks, BLOCK):
        numbers = np.arange(first + 1, min(first + BLOCK, looks) + 1)
        totals = cell.requests(numbers)
        shape = (len(rows), len(numbers))
        good = [
            _good(rng, total, np.broadcast_to(shares, shape), cell)
            for total, shares in zip(totals, cell.shares(numbers), strict=True)
        ]
        requests = [before[i] + np.cumsum(totals[i]) for i in (0, 1)]
        both = [sums[i][rows, None] + np.cumsum(good[i], 1) for i in (0, 1)]
        wanted = yield Block(
            rows,
            numbers,
            (good[0], good[1]),
            totals,
            (requests[0], requests[1]),
            (both[0], both[1]),
        )
        for i in (0, 1):
            before[i] = int(requests[i][-1])
            sums[i][rows] = both[i][:, -1]
        rows = rows if wanted is None else wanted
        if not len(rows):
            return


def _good(rng: np.random.Generator, totals: np.ndarray, shares: np.ndarray, cell: Cell) -> np.ndarray:
    if cell.correlation and 0 < shares.flat[0] < 1:
        size = (1 - cell.correlation) / cell.correlation
        shares = rng.beta(np.maximum(shares * size, 1e-12), np.maximum((1 - shares) * size, 1e-12))
    if cell.clump == 1:
        return rng.binomial(totals, shares).astype(float)
    clumps, rest = np.divmod(totals, cell.clump)
    return (cell.clump * rng.binomial(clumps, shares) + rest * rng.binomial(1, shares)).astype(float)
