"""Runs all rules on a cell's streams."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.rules import RULES
from bench.verdict.streams import blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.verdict.rules import Rule
    from bench.verdict.streams import Cell


@dataclass(frozen=True)
class Result:
    """How one rule did on one cell.

    Attributes:
        cell: which.
        rule: its name.
        promoted: share of the releases.
        rejected: share of the releases.
        median: baseline's requests until the decision, of the releases decided; None if there were none.
        p95: the same for 95 of 100.
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


def simulate(cell: Cell, releases: int, seed: int, rules: Sequence[type[Rule]] = RULES) -> list[Result]:
    """Return how each rule did on the same streams; the same seed gives the same streams."""
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
