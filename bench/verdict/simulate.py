"""Run all rules on the streams of a cell."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.ours import Ours
from bench.verdict.rules import Argo, Flagger, Kayenta, NaiveZ
from bench.verdict.streams import blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.verdict.rules import Rule
    from bench.verdict.streams import Cell

RULES: tuple[type[Rule], ...] = (Ours, NaiveZ, Argo, Flagger, Kayenta)
IID_LIMIT, LIMIT = 0.05, 0.08
"""Goals: the share of canaries at the edge that are promoted, with independent and with other answers."""


@dataclass(frozen=True)
class Result:
    """The result of one rule in one cell.

    Attributes:
        cell: the simulated kind of release.
        rule: name of the rule.
        promoted: share of the releases, in 0–1.
        rejected: share of the releases, in 0–1.
        median: requests of the baseline until the decision, over all decided releases; None if none was decided.
        p95: the same, as the 95th percentile.
    """

    cell: Cell
    rule: str
    promoted: float
    rejected: float
    median: float | None
    p95: float | None

    @property
    def undecided(self) -> float:
        """Return the share of releases that stayed undecided."""
        return 1 - self.promoted - self.rejected

    @property
    def limit(self) -> float:
        """Return how many canaries at the edge may be promoted, as a share."""
        return IID_LIMIT if self.cell.iid else LIMIT

    @property
    def above_limit(self) -> bool:
        """Return whether a canary at the edge is promoted more often than the goal allows."""
        return self.cell.kind == "edge" and self.promoted > self.limit


def simulate(cell: Cell, releases: int, seed: int, rules: Sequence[type[Rule]] = RULES) -> list[Result]:
    """Return the result of each rule on the same streams; the same seed gives the same streams."""
    rng = np.random.default_rng([seed, zlib.crc32(repr(cell).encode())])
    judges = [rule(cell, releases) for rule in rules]
    stream = blocks(cell, releases, rng)
    wanted: np.ndarray | None = None
    while True:
        try:
            block = stream.send(wanted)
        except StopIteration:
            break
        for judge in judges:
            judge.see(block)
        wanted = np.flatnonzero(np.logical_or.reduce([judge.undecided() for judge in judges]))
    return [
        Result(
            cell,
            judge.name,
            float(np.mean(judge.decisions == 1)),
            float(np.mean(judge.decisions == -1)),
            *(
                float(np.quantile(judge.requests[judge.decisions != 0], q)) if judge.decisions.any() else None
                for q in (0.5, 0.95)
            ),
        )
        for judge in judges
    ]
