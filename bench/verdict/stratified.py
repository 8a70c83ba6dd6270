"""A candidate for the verdict: compares canary and baseline within each scrape, then adds up the differences.

What happens to both variants at the same moment cancels out of such a difference: an incident of a shared database, or
a time of day with more errors and another split of the traffic. Per scrape, with n answers of which g are good:

    w  = n_b n_c / (n_b + n_c)          d  = g_c / n_c − g_b / n_b
    W  = Σ w    D₁ = Σ w d    D₂ = Σ w d²    F = Σ n_c / (n_b + n_c)    T = number of scrapes
    φ  = max(1, (1 + 2/k) · (D₂ − D₁²/W) · T/(T − 1) / (V_b F + V_c (T − F)))

V is s (1 − s) for a variant's share s, and k is the sum over both variants of the smallest of T − 1, the scrapes with
an error, and the scrapes with a good answer. While T or k is below eight, φ is assumed as before the eighth scrape.
The difference is D₁/W, plus what smoothing moves the pooled one, and its variance is as much larger as 1/W is than
1/N_b + 1/N_c, for N answers in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.rules import LEAST_REQUESTS, Ours

if TYPE_CHECKING:
    from bench.verdict.streams import Block, Cell


@dataclass(frozen=True)
class Strata:
    """Sums over scrapes since the beginning, as in the formulas above.

    Attributes:
        weight: W, for each look.
        canary_part: F, for each look.
        difference: D₁, for each release and look.
        square: D₂, for each release and look.
        erring: scrapes with an error, for each release and look, of baseline and canary.
        fine: scrapes with a good answer, for each release and look, of baseline and canary.
    """

    weight: np.ndarray
    canary_part: np.ndarray
    difference: np.ndarray
    square: np.ndarray
    erring: tuple[np.ndarray, np.ndarray]
    fine: tuple[np.ndarray, np.ndarray]


class StrataSoFar:
    """Adds up strata block by block."""

    def __init__(self, releases: int) -> None:
        """Start with no scrapes."""
        self._per_look = np.zeros(2)
        self._sums = np.zeros((6, releases))

    def add(self, block: Block) -> Strata:
        """Return the sums at each look of the next block."""
        baseline, canary = block.totals
        weight = baseline * canary / (baseline + canary)
        difference = block.good[1] / canary - block.good[0] / baseline
        per_look = self._per_look[:, None] + np.cumsum(np.stack([weight, canary / (baseline + canary)]), 1)
        values = [
            weight * difference,
            weight * difference**2,
            *(good < total for good, total in zip(block.good, block.totals, strict=True)),
            *(good > 0 for good in block.good),
        ]
        sums = self._sums[:, block.rows, None] + np.cumsum(np.stack(values), 2)
        self._per_look, self._sums[:, block.rows] = per_look[:, -1], sums[..., -1]
        return Strata(per_look[0], per_look[1], sums[0], sums[1], (sums[2], sums[3]), (sums[4], sums[5]))


class Stratified(Ours):
    """The rule from differences within each scrape.

    Attributes:
        caution: what is added to a dispersion measured from k errors, times k; 2 in the formula above.
        least_told: k from which the dispersion is measured, not assumed.
        heeds_early: whether a dispersion that is measured earlier counts if it is larger than the assumed one.
    """

    name = "A: by scrape"
    source = "the rule, stratified by scrape"
    caution = 2
    least_told = 8
    heeds_early = False

    def __init__(self, cell: Cell, releases: int) -> None:
        """Start with no scrapes."""
        super().__init__(cell, releases)
        self._so_far = StrataSoFar(releases)

    def judge(self, block: Block) -> np.ndarray:
        """Return the decisions from the differences within each scrape."""
        strata = self._so_far.add(block)
        scatter = self.dispersion_by_scrape(block, strata)
        n = [total / scatter for total in block.requests]
        shares = [good / total for good, total in zip(block.sums, block.requests, strict=True)]
        p = [(share * m + self.pseudo) / (m + 2 * self.pseudo) for share, m in zip(shares, n, strict=True)]
        smoothing = (p[1] - p[0]) - (shares[1] - shares[0])
        stretch = (1 / strata.weight) / (1 / block.requests[0] + 1 / block.requests[1])
        difference = strata.difference / strata.weight + smoothing
        low, high = self.widths(self.variance(p, n) * stretch, 2 * strata.weight / scatter)
        edge, enough = -self.cell.tolerance, np.minimum(*block.requests) >= LEAST_REQUESTS
        return np.where((difference - low > edge) & enough, 1, np.where(difference + high < edge, -1, 0))

    def dispersion_by_scrape(self, block: Block, strata: Strata) -> np.ndarray:
        """Return how much more the differences scatter than by chance, for both variants."""
        degrees = np.maximum(block.numbers - 1, 1)
        told = sum(
            np.minimum(degrees, np.minimum(erring, fine))
            for erring, fine in zip(strata.erring, strata.fine, strict=True)
        )
        shares = [good / total for good, total in zip(block.sums, block.requests, strict=True)]
        baseline, canary = (share * (1 - share) for share in shares)
        expected = baseline * strata.canary_part + canary * (block.numbers - strata.canary_part)
        scatter = np.maximum(0.0, strata.square - strata.difference**2 / strata.weight) * block.numbers / degrees
        measured = np.where(
            told > 0, (1 + self.caution / np.maximum(told, 1)) * scatter / np.where(told > 0, expected, 1.0), 0.0
        )
        early = (block.numbers < self.least_scrapes) | (told < self.least_told)
        assumed = self.assumed(block)
        scatter_by_scrape: np.ndarray = np.maximum(
            1.0, np.where(early, np.maximum(assumed, measured) if self.heeds_early else assumed, measured)
        )
        return scatter_by_scrape
