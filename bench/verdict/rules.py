"""Rules that decide PROMOTE (1) or REJECT (−1): what all have in common, and those of other tools with their defaults.

Rules that compare with a fixed number know the baseline's true share here: their threshold is the worst share that the
tolerance allows, which a person could only guess. A minute has twelve looks.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.streams import LOOKS_A_MINUTE, Z

if TYPE_CHECKING:
    from bench.verdict.streams import Block, Cell

LEAST_REQUESTS = 50  # of each variant, before PROMOTE


class Rule(ABC):
    """A rule in one cell.

    Attributes:
        decisions: for each release 1, −1, or 0 while undecided.
        requests: for each release, the requests of the baseline until the decision.
    """

    name: str
    source: str

    def __init__(self, cell: Cell, releases: int) -> None:
        """Start with no decisions."""
        self.cell = cell
        self.decisions = np.zeros(releases, int)
        self.requests = np.zeros(releases)
        self.over = False

    def see(self, block: Block) -> None:
        """Look at a block, and keep the first decision of each release."""
        block = block.of(np.flatnonzero(self.undecided()[block.rows]))
        if not len(block.rows):
            return
        found = self.judge(block)
        decided, first = (found != 0).any(1), (found != 0).argmax(1)
        rows = block.rows[decided]
        self.decisions[rows] = found[decided, first[decided]]
        self.requests[rows] = block.requests[0][first[decided]]

    def undecided(self) -> np.ndarray:
        """Return the releases that this rule has not decided."""
        return np.zeros(len(self.decisions), bool) if self.over else self.decisions == 0

    @abstractmethod
    def judge(self, block: Block) -> np.ndarray:
        """Return 1, −1 or 0 for each release at each look."""


class NaiveZ(Rule):
    """A two-sample z-test at 5 %, which is made for one look, but looks every time."""

    name = "naive z"
    source = "any textbook"

    def judge(self, block: Block) -> np.ndarray:
        """Return the test's decisions."""
        totals = block.requests
        p = [good / total for good, total in zip(block.sums, totals, strict=True)]
        error = np.sqrt(sum(share * (1 - share) / total for share, total in zip(p, totals, strict=True)))
        difference, edge = p[1] - p[0], -self.cell.tolerance
        enough = np.minimum(totals[0], totals[1]) >= LEAST_REQUESTS
        return np.where(
            (difference - Z * error > edge) & enough, 1, np.where((difference + Z * error < edge) & enough, -1, 0)
        )


class ByMinute(Rule):
    """A rule that judges the canary's share of good requests once per minute."""

    def judge(self, block: Block) -> np.ndarray:
        """Return the decisions at the end of each minute."""
        looks = len(block.numbers)
        found = np.zeros((len(block.rows), looks), int)
        for last in range(LOOKS_A_MINUTE - 1, looks, LOOKS_A_MINUTE):
            minute = slice(last + 1 - LOOKS_A_MINUTE, last + 1)
            shares = [
                good[:, minute].sum(1) / total[minute].sum()
                for good, total in zip(block.good, block.totals, strict=True)
            ]
            found[:, last] = self.minute(block, int(block.numbers[last]) // LOOKS_A_MINUTE, shares[0], shares[1])
        return found

    @abstractmethod
    def minute(self, block: Block, number: int, baseline: np.ndarray, canary: np.ndarray) -> np.ndarray:
        """Return 1, −1 or 0 for each release at the end of a minute."""

    def good_enough(self, canary: np.ndarray) -> np.ndarray:
        """Return whether the canary's share of a minute meets the threshold."""
        return canary >= self.cell.share - self.cell.tolerance


class Argo(ByMinute):
    """Argo Rollouts: five measurements, one per minute; none of them may fail."""

    name = "Argo-style"
    source = "argo-rollouts docs/features/analysis.md: interval: 60s, count: 5; failureLimit is 0 unless set"

    def minute(self, block: Block, number: int, baseline: np.ndarray, canary: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """Fail at the first bad minute, succeed after the fifth."""
        return np.where(~self.good_enough(canary), -1, 1 if number >= 5 else 0)


class Flagger(ByMinute):
    """Flagger: five successful minutes promote (10 to 50 % of traffic in steps of 10), five failed ones roll back."""

    name = "Flagger-style"
    source = "flagger docs (How it works): interval: 1m, threshold: 5, maxWeight: 50, stepWeight: 10"

    def __init__(self, cell: Cell, releases: int) -> None:
        """Start without steps or failures."""
        super().__init__(cell, releases)
        self.steps, self.failures = np.zeros(releases, int), np.zeros(releases, int)

    def minute(self, block: Block, number: int, baseline: np.ndarray, canary: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """Take a step, or count a failure."""
        good = self.good_enough(canary)
        self.steps[block.rows] += good
        self.failures[block.rows] += ~good
        return np.where(self.failures[block.rows] >= 5, -1, np.where(self.steps[block.rows] >= 5, 1, 0))


class Kayenta(ByMinute):
    """Kayenta's NetflixACAJudge: a Mann–Whitney interval of the error rates of fifty minutes, with one look."""

    name = "Kayenta-style"
    source = (
        "spinnaker.io, canary best practices: 50 data points; kayenta-judge NetflixACAJudge: confidence 0.98, "
        "tolerance 0.25 of the Hodges–Lehmann estimate; a single metric scores 0 or 100, and 95 passes"
    )
    points = 50

    def __init__(self, cell: Cell, releases: int) -> None:
        """Start without data."""
        super().__init__(cell, releases)
        self.errors = np.zeros((2, releases, self.points))

    def minute(self, block: Block, number: int, baseline: np.ndarray, canary: np.ndarray) -> np.ndarray:
        """Record a minute, and judge after the last one."""
        if number > self.points:
            return np.zeros(len(block.rows), int)
        for i, share in enumerate((baseline, canary)):
            self.errors[i][block.rows, number - 1] = 1 - share
        if number < self.points:
            return np.zeros(len(block.rows), int)
        self.over = True
        rank = self.points**2 / 2 - 2.3263 * math.sqrt(self.points**2 * (2 * self.points + 1) / 12)
        found = np.empty(len(block.rows), int)
        for place, row in enumerate(block.rows):
            shifts = np.sort((self.errors[1][row][:, None] - self.errors[0][row][None, :]).ravel())
            found[place] = -1 if shifts[int(rank)] > 0.25 * abs(np.median(shifts)) else 1
        return found
