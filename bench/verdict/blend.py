"""A candidate for the verdict: the e-process until both variants have shown an error, the rule by scrape from then on.

Which of the two judges a scrape is known before that scrape: it depends only on earlier ones. So no scrape is judged
twice, and the more favourable answer is never chosen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.eprocess import EProcess
from bench.verdict.stratified import Stratified

if TYPE_CHECKING:
    from bench.verdict.streams import Block, Cell


class Blend(Stratified):
    """The e-process while a variant has shown no error in earlier scrapes, else the rule by scrape."""

    name = "blend"
    source = "A, or B without errors"

    def __init__(self, cell: Cell, releases: int) -> None:
        """Start with no scrapes."""
        super().__init__(cell, releases)
        self._eprocess = EProcess(cell, releases)

    def judge(self, block: Block) -> np.ndarray:
        """Return the decisions of the e-process or of the rule by scrape."""
        decisions = super().judge(block)
        bad_before = [
            (requests - total) - (sums - good)
            for requests, total, sums, good in zip(block.requests, block.totals, block.sums, block.good, strict=True)
        ]
        clean = np.minimum(*bad_before) == 0
        some = np.flatnonzero(clean.any(1))
        if len(some):
            chosen = self._eprocess.judge(_of(block, some))
            decisions[some] = np.where(clean[some], chosen, decisions[some])
        return decisions


def _of(block: Block, places: np.ndarray) -> Block:
    """Return the block with some of its releases."""
    return replace(
        block,
        rows=block.rows[places],
        good=(block.good[0][places], block.good[1][places]),
        sums=(block.sums[0][places], block.sums[1][places]),
        spreads=(block.spreads[0][places], block.spreads[1][places]),
    )
