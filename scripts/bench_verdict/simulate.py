"""Runs all rules on a cell's streams."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scripts.bench_verdict.rules import RULES
from scripts.bench_verdict.streams import blocks

if TYPE_CHECKING:
    from scripts.bench_verdict.streams import Cell


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


def simulate(cell: Cell, releases: int, seed: int) -> list[Result]:
    """Return how each rule did on the same streams; the same seed gives the same streams."""
    rng = np.random.default_rng([seed, zlib.crc32(repr(cell).encode())])
    rules = [rule(cell, releases) for rule in RULES]
    stream = blocks(cell, releases, rng)
    wanted: np.ndarray | None = None
    while True:
        try:
            block = stream.send(wanted)
        except StopIteration:
            break
        for rule in rules:
            rule.see(block)
        wanted = np.flatnonzero(np.logical_or.reduce([rule.undecided() for rule in rules]))
    return [
        Result(
            cell,
            rule.name,
            float(np.mean(rule.decisions == 1)),
            float(np.mean(rule.decisions == -1)),
            *(
                float(np.quantile(rule.requests[rule.decisions != 0], q)) if rule.decisions.any() else None
                for q in (0.5, 0.95)
            ),
        )
        for rule in rules
    ]
