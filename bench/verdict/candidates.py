"""Candidates for the constants of the verdict, simulated on the same streams as the rule itself."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from statistics import mean, median
from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.rules import Ours
from bench.verdict.simulate import simulate
from bench.verdict.streams import grid

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from bench.verdict.simulate import Result
    from bench.verdict.streams import Block


class TheRule(Ours):
    """The rule without changes."""

    name = "the rule"


class SameRho(Ours):
    """ρ² as if the tolerance were two points."""

    name = "ρ² = 1/200 for every tolerance"

    def rho_squared(self) -> float:
        """Return the same value for every tolerance."""
        return 1 / 200


class OnePseudo(Ours):
    """Adds less to the counts."""

    name = "one good and one bad request added, instead of two of each"
    pseudo = 1.0


class ThreePseudo(Ours):
    """Adds more to the counts."""

    name = "three of each, instead of two"
    pseudo = 3.0


class Alpha(Ours):
    """Lets REJECT err as often as PROMOTE."""

    name = "α instead of α / 10 for REJECT"
    reject_share = 1


class EdgeVariance(Ours):
    """Takes the canary's variance at the edge of the tolerance if that is smaller (Farrington and Manning 1990)."""

    name = "the canary's variance at the edge of the tolerance, if smaller"

    def variance(self, p: list[np.ndarray], n: list[np.ndarray]) -> np.ndarray:
        """Return a smaller variance for a canary that is worse."""
        edge = np.clip(p[0] - self.cell.tolerance, self.pseudo / (n[1] + 2 * self.pseudo), 1)
        less: np.ndarray = np.maximum(0.0, p[1] * (1 - p[1]) - edge * (1 - edge)) / n[1]
        variance: np.ndarray = super().variance(p, n) - less
        return variance


class NoDispersion(Ours):
    """Assumes that requests are independent."""

    name = "φ = 1 always"

    def dispersion(self, block: Block) -> list[np.ndarray]:
        """Return ones."""
        return 2 * [np.ones(block.numbers.shape)]


class EachItsOwn(Ours):
    """Measures a dispersion for each variant."""

    name = "a separate φ for each variant"

    def dispersion(self, block: Block) -> list[np.ndarray]:
        """Return the dispersion of each variant."""
        return [
            np.maximum(
                1.0,
                np.where(
                    self.early(block, known_by),
                    self.assumed(block),
                    (1 + 2 / np.maximum(known_by, 1e-9)) * chi / np.maximum(degrees, 1e-9),
                ),
            )
            for chi, degrees, known_by in block.scatter
        ]


class NothingPresumed(Ours):
    """Assumes independent requests until the dispersion is measured."""

    name = "φ = 1 before the eighth scrape"

    def assumed(self, block: Block) -> np.ndarray:
        """Return ones."""
        return np.ones(block.numbers.shape)


class FourScrapes(Ours):
    """Measures the dispersion earlier."""

    name = "φ measured from the fourth scrape on"
    least_scrapes = 4


class SixteenScrapes(Ours):
    """Measures the dispersion later."""

    name = "φ measured from the sixteenth scrape on"
    least_scrapes = 16


class UpperBound(Ours):
    """Takes the upper confidence bound of φ at 90 %, with Wilson and Hilferty's χ² quantile."""

    name = "the upper bound of φ at 90 %, from the third scrape on"
    least_scrapes = 3

    def dispersion(self, block: Block) -> list[np.ndarray]:
        """Return χ² divided by its lower quantile."""
        chi, degrees, known_by = np.sum(block.scatter, axis=0)
        of = np.maximum(known_by, 1.0)
        quantile = of * np.maximum(1 - 2 / (9 * of) - 1.2816 * np.sqrt(2 / (9 * of)), 0.05) ** 3
        seen = chi / np.maximum(degrees, 1e-9) * of / quantile
        return 2 * [np.maximum(1.0, np.where(self.early(block, known_by), self.assumed(block), seen))]


class Fading(Ours):
    """Counts the assumed φ like four measured degrees of freedom."""

    name = "an assumed φ that fades: (4 φ₀ + χ²) / (4 + degrees of freedom)"

    def dispersion(self, block: Block) -> list[np.ndarray]:
        """Return the weighted mean of the assumed and the measured dispersion."""
        chi, degrees, known_by = np.sum(block.scatter, axis=0)
        seen = known_by * chi / np.maximum(degrees, 1e-9)
        return 2 * [np.maximum(1.0, (4 * self.assumed(block) + seen) / (4 + known_by))]


class EightErrors(Ours):
    """Keeps the assumed φ until there are enough scrapes and errors."""

    name = "φ assumed until there are eight scrapes and eight errors"

    def early(self, block: Block, known_by: np.ndarray) -> np.ndarray:
        """Return whether there are too few scrapes or errors."""
        return (block.numbers < self.least_scrapes) | (known_by < self.least_scrapes)


class FiveMinutes(Ours):
    """The rule with the default settings: a look every 2 s, and `--min-duration` of 5 min."""

    name = "the rule, with PROMOTE only after 150 scrapes (the defaults of `canary release`)"
    least_looks = 150


CANDIDATES: tuple[type[Ours], ...] = (
    TheRule,
    SameRho,
    OnePseudo,
    ThreePseudo,
    Alpha,
    EdgeVariance,
    NoDispersion,
    EachItsOwn,
    NothingPresumed,
    FourScrapes,
    SixteenScrapes,
    UpperBound,
    Fading,
    EightErrors,
    FiveMinutes,
)


def candidates(pool: Executor, releases: int, seed: int) -> str:
    """Return the results of all candidates, in Markdown."""
    cells = [cell for cell in grid() if cell.kind in ("equal", "edge") and cell.ratio == 1]
    cells.sort(key=lambda cell: -cell.one_look / cell.look)
    by_name: dict[str, list[Result]] = defaultdict(list)
    for results in pool.map(partial(simulate, releases=releases, seed=seed, rules=CANDIDATES), cells):
        for one in results:
            by_name[one.rule].append(one)
    head = (
        "| | equal rejected | edge promoted, some errors | edge promoted, baseline without errors | cells above 5 % "
        "| requests, 20 per look | requests, 200 per look |"
    )
    rows = [head, "|" + 7 * " --- |"]
    rows += [f"| {candidate.name} | {' | '.join(_figures(by_name[candidate.name]))} |" for candidate in CANDIDATES]
    made = f"Simulated: {releases:,} releases in each of {len(cells)} cells, with the same traffic on both variants."
    return f"{made}\n\n" + "\n".join(rows)


def _figures(results: list[Result]) -> list[str]:
    edge = [one for one in results if one.cell.kind == "edge"]
    equal = [one for one in results if one.cell.kind == "equal"]
    needed = [
        [one.median / one.cell.one_look for one in equal if one.cell.iid and one.cell.look == look and one.median]
        for look in (20, 200)
    ]
    return [
        _mean_and_worst([one.rejected for one in equal]),
        _mean_and_worst([one.promoted for one in edge if one.cell.share < 1]),
        _mean_and_worst([one.promoted for one in edge if one.cell.share == 1]),
        f"{sum(one.promoted > 0.05 for one in edge)} of {len(edge)}",
        *(f"{median(ratios):.2f} ({max(ratios):.2f})" for ratios in needed),
    ]


def _mean_and_worst(shares: list[float]) -> str:
    return f"{mean(shares) * 100:.1f} % ({max(shares) * 100:.1f} %)"
