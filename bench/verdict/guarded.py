"""Candidates for the verdict: those by scrape, with more distrust of few errors and of single bad scrapes.

* The dispersion is measured from 16 errors on, counted as scrapes with errors, and not from eight. Until then, what is
  measured counts if it is larger than what is assumed: two clumps of errors say more than no knowledge at all. It is
  enlarged by 1 + 8/k and not by 1 + 2/k, because the errors of large scrapes come in few scrapes with many of them.
* The e-process predicts the next scrape from all earlier ones. An incident in which half of the answers are bad would
  spoil this prediction for a long time. So a scrape counts in it with at most four times the errors (or good answers)
  that were predicted for it, and four more. The prediction still knows earlier scrapes only, so the proof holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.eprocess import EProcess
from bench.verdict.stratified import Stratified

if TYPE_CHECKING:
    from bench.verdict.streams import Block, Cell

LEAST_TOLD = 16
CAUTION = 8
MOST = 4  # times the errors, or good answers, that were predicted for a scrape


class GuardedStratified(Stratified):
    """The rule by scrape, with a more careful dispersion."""

    name = "A, guarded"
    source = "A with a more careful dispersion"
    caution = CAUTION
    least_told = LEAST_TOLD
    heeds_early = True


class GuardedEProcess(EProcess):
    """The e-process, with a more careful dispersion and a prediction that a single scrape cannot spoil."""

    name = "B, guarded"
    source = "B with a more careful dispersion and prediction"
    caution = CAUTION
    least_told = LEAST_TOLD
    heeds_early = True

    def __init__(self, cell: Cell, releases: int) -> None:
        """Start without anything to predict from."""
        super().__init__(cell, releases)
        self._good = np.zeros(releases)
        self._total = 0

    def pool(self, block: Block) -> np.ndarray:
        """Return the share of good answers of both variants that earlier scrapes predict for each look."""
        totals, found = block.totals[0] + block.totals[1], np.empty(block.good[0].shape)
        good, total = self._good[block.rows], self._total
        for look, answers in enumerate(totals):
            found[:, look] = share = (good + 1) / (total + 2)
            seen = block.good[0][:, look] + block.good[1][:, look]
            least, most = answers - MOST * ((1 - share) * answers + 1), MOST * (share * answers + 1)
            good, total = good + np.clip(seen, least, most), total + int(answers)
        self._good[block.rows], self._total = good, total
        return found
