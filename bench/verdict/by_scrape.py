"""What is known about a comparison within each scrape: the sums of `canary.verdict.strata`, for whole arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.rules import Rule
from canary.verdict import strata

if TYPE_CHECKING:
    from bench.verdict.streams import Block, Cell


@dataclass(frozen=True)
class Sums:
    """Sums over scrapes since the beginning, named as in `canary.verdict.strata`.

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


class SumsSoFar:
    """Adds up scrapes block by block."""

    def __init__(self, releases: int) -> None:
        """Start with no scrapes."""
        self._per_look = np.zeros(2)
        self._sums = np.zeros((6, releases))

    def add(self, block: Block) -> Sums:
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
        return Sums(per_look[0], per_look[1], sums[0], sums[1], (sums[2], sums[3]), (sums[4], sums[5]))


class ByScrape(Rule):
    """A rule that compares within each scrape.

    Attributes:
        least_scrapes: scrapes from which the dispersion is measured, not presumed.
        least_told: k from which it is measured, not presumed.
        caution: what a dispersion that k scrapes tell is enlarged by, times k.
        correlation: of the answers within one scrape, which is presumed until then.
        replaces: whether what is presumed replaces a larger dispersion that is measured early.
    """

    least_scrapes = strata.LEAST_SCRAPES
    least_told = strata.LEAST_TOLD
    caution = strata.CAUTION
    correlation = strata.PRESUMED_CORRELATION
    replaces = False

    def __init__(self, cell: Cell, releases: int) -> None:
        """Start with no scrapes."""
        super().__init__(cell, releases)
        self._so_far = SumsSoFar(releases)

    def sums(self, block: Block) -> Sums:
        """Return the sums at each look of the next block."""
        return self._so_far.add(block)

    def dispersion(self, block: Block, sums: Sums) -> np.ndarray:
        """Return how much more the differences scatter than by chance."""
        degrees = np.maximum(block.numbers - 1, 1)
        told = sum(
            np.minimum(degrees, np.minimum(erring, fine)) for erring, fine in zip(sums.erring, sums.fine, strict=True)
        )
        shares = [good / total for good, total in zip(block.sums, block.requests, strict=True)]
        baseline, canary = (share * (1 - share) for share in shares)
        expected = baseline * sums.canary_part + canary * (block.numbers - sums.canary_part)
        scatter = np.maximum(0.0, sums.square - sums.difference**2 / sums.weight) * block.numbers / degrees
        measured = np.where(
            told > 0, (1 + self.caution / np.maximum(told, 1)) * scatter / np.where(told > 0, expected, 1.0), 0.0
        )
        presumed = 1 + self.correlation * (np.maximum(*block.requests) / block.numbers - 1)
        early = (block.numbers < self.least_scrapes) | (told < self.least_told)
        if not self.replaces:
            presumed = np.maximum(presumed, measured)
        found: np.ndarray = np.maximum(1.0, np.where(early, presumed, measured))
        return found
