"""How the rule was chosen: other rules and other constants, simulated on the same streams as the rule itself."""

from __future__ import annotations

import math
from collections import defaultdict
from functools import partial
from statistics import geometric_mean
from typing import TYPE_CHECKING

from bench.verdict.ours import Alternatives, Ours
from bench.verdict.pooled import Pooled, Stratified
from bench.verdict.simulate import IID_LIMIT, LIMIT, simulate
from bench.verdict.streams import grid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from bench.verdict.rules import Rule
    from bench.verdict.simulate import Result
    from bench.verdict.streams import Cell


class LiteralStratified(Stratified):
    """A, with less distrust of few errors."""

    name = "A: the same by scrape"
    caution = 2
    least_told = 8
    replaces = True


class LiteralEProcess(Ours):
    """B, with less distrust of few errors and of single scrapes."""

    name = "B: an e-process by scrape"
    caution = 2
    least_told = 8
    replaces = True
    most = math.inf


class Chosen(Ours):
    """The rule without changes."""

    name = "**the rule**: B with the careful dispersion, and a capped prediction"


class Replaces(Ours):
    """Lets what is presumed replace what is measured."""

    name = "what is presumed replaces what is measured early"
    replaces = True


class ToldEight(Ours):
    """Measures the dispersion earlier."""

    name = "φ measured from k = 8 on, instead of 16"
    least_told = 8


class ToldMore(Ours):
    """Measures the dispersion later."""

    name = "φ measured from k = 24 on"
    least_told = 24


class LessCaution(Ours):
    """Enlarges the dispersion less."""

    name = "φ enlarged by 1 + 4/k, instead of 1 + 8/k"
    caution = 4


class NoCap(Ours):
    """Lets one scrape spoil the prediction."""

    name = "prediction without a cap"
    most = math.inf


class OneAlternative(Ours):
    """Bets on one alternative for each decision."""

    name = "one alternative for each decision: κ = 0 and −2"
    promote: Alternatives = ((0.0, 1.0),)
    reject: Alternatives = ((-2.0, 1.0),)


class FiveMinutes(Ours):
    """The rule with the default settings: a look every 2 s, and `--min-duration` of 5 min."""

    name = "PROMOTE only after 150 scrapes (the defaults of `canary release`)"
    least_looks = 150


CANDIDATES: tuple[type[Rule], ...] = (
    Pooled,
    LiteralStratified,
    LiteralEProcess,
    Stratified,
    Chosen,
    Replaces,
    ToldEight,
    ToldMore,
    LessCaution,
    NoCap,
    OneAlternative,
    FiveMinutes,
)


def cells() -> list[Cell]:
    """Return the cells of the grid that tell candidates apart: the hardest of each kind of stream."""
    return [
        cell
        for cell in grid()
        if cell.kind in ("equal", "edge")
        and cell.ratio >= 1
        and not cell.slow
        and cell.correlation in (0, 0.05)
        and cell.growth in (0.25, 1, 4)
    ]


def candidates(pool: Executor, releases: int, seed: int) -> str:
    """Return the results of all candidates, in Markdown."""
    wanted = sorted(cells(), key=lambda cell: -cell.one_look / cell.look)  # the longest first
    found = pool.map(partial(simulate, releases=releases, seed=seed, rules=CANDIDATES), wanted)
    return table([one for results in found for one in results], releases)


def table(results: Sequence[Result], releases: int) -> str:
    """Return a row for each rule in the results, in Markdown."""
    by_name: dict[str, list[Result]] = defaultdict(list)
    for one in results:
        by_name[one.rule].append(one)
    medians = {one.cell: one.median for one in by_name[Chosen.name]}
    made = f"Simulated: {releases:,} releases in each of {len({one.cell for one in results})} cells."
    head = (
        "| | edge promoted: independent | correlated | clumps | incident | traffic "
        f"| cells above {IID_LIMIT * 100:g} % (independent) and {LIMIT * 100:g} % (others) "
        "| edge rejected | equal rejected | requests, × the rule's: independent | others | no errors |"
    )
    rows = [f"| {name} | {' | '.join(_figures(of, medians))} |" for name, of in by_name.items()]
    return f"{made}\n\n" + "\n".join([head, "|" + 12 * " --- |", *rows])


def _figures(results: Sequence[Result], medians: dict[Cell, float | None]) -> list[str]:
    edge = [one for one in results if one.cell.kind == "edge"]
    equal = [one for one in results if one.cell.kind == "equal"]
    kinds = [
        [one.promoted for one in edge if one.cell.iid],
        [one.promoted for one in edge if one.cell.correlation],
        [one.promoted for one in edge if one.cell.clump > 1],
        [one.promoted for one in edge if one.cell.incident],
        [one.promoted for one in edge if one.cell.growth != 1],
    ]
    independent = [one for one in edge if one.cell.iid]
    others = [one for one in edge if not one.cell.iid]
    groups = [
        [one for one in equal if one.cell.iid and one.cell.share < 1],
        [one for one in equal if not one.cell.iid and one.cell.share < 1],
        [one for one in equal if one.cell.iid and one.cell.share == 1],
    ]
    return [
        *(_worst(promoted) for promoted in kinds),
        " and ".join(f"{sum(one.above_limit for one in of)} of {len(of)}" for of in (independent, others)),
        *(_worst([one.rejected for one in of]) for of in (edge, equal)),
        *(_relative(of, medians) for of in groups),
    ]


def _worst(shares: Sequence[float]) -> str:
    return f"{max(shares) * 100:.1f} %" if shares else "–"


def _relative(results: Sequence[Result], medians: dict[Cell, float | None]) -> str:
    """Return the geometric mean of the median requests, divided by the rule's, where both decide."""
    ratios = [one.median / median for one in results if one.median and (median := medians.get(one.cell))]
    missing = sum(1 for one in results if not one.median and medians.get(one.cell))
    text = f"{geometric_mean(ratios):.2f}" if ratios else "–"
    return f"{text} ({missing} undecided)" if missing else text
