"""A relative tolerance of twice the baseline's errors, on the streams of the other rules.

At 99 and 99.9 % good, the absolute tolerances of the bench are as large as the baseline's share of errors. So a canary
at their edge has twice the errors: both tolerances ask the same question, and can be compared.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.eprocess import ALTERNATIVES
from bench.verdict.guarded import MOST, GuardedEProcess
from bench.verdict.simulate import simulate
from bench.verdict.streams import Cell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from bench.verdict.rules import Rule
    from bench.verdict.simulate import Result
    from bench.verdict.streams import Block

TIMES = 2.0
INCIDENT = 5


class Relative(GuardedEProcess):
    """The e-process on the errors of each scrape, with the dispersion of the rule."""

    name = "relative, 2x"
    source = "Lindon and Malek (2022)"
    most = float(MOST)

    def log_ratios(self, block: Block, pool: np.ndarray) -> np.ndarray:
        """Return the logarithm of the likelihood ratio of each alternative for each release and look."""
        baseline, canary = block.totals
        bad = canary - block.good[1]
        errors = baseline - block.good[0] + bad
        limit = self.most * ((1 - pool) * (baseline + canary) + 1)
        factor = np.minimum(1.0, limit / np.maximum(errors, 1))
        ratios = [TIMES**-difference for difference, _ in ALTERNATIVES]
        return np.stack(
            [
                factor
                * (bad * np.log(r / TIMES) - errors * np.log((r * canary + baseline) / (TIMES * canary + baseline)))
                for r in ratios
            ]
        )


class WithoutLimit(Relative):
    """The same, without a limit to the errors of a scrape."""

    name = "relative, 2x, without a limit"
    most = np.inf


COMPARED: tuple[type[Rule], ...] = (GuardedEProcess, Relative, WithoutLimit)


def cells() -> list[Cell]:
    """Return canaries with as many errors as the baseline, twice and three times as many, on each stream."""
    found = []
    for share, look, kind in itertools.product((0.99, 0.999), (20, 200), ("equal", "edge", "twice")):
        cell = Cell(share, kind, 1, look)
        found += [cell, replace(cell, correlation=0.05), replace(cell, incident=INCIDENT)]
    return found


def relative(pool: Executor, releases: int, seed: int) -> str:
    """Return the results of the rule with an absolute and a relative tolerance, in Markdown."""
    wanted = sorted(cells(), key=lambda cell: -cell.one_look / cell.look)
    found = pool.map(partial(simulate, releases=releases, seed=seed, rules=COMPARED), wanted)
    return table([one for results in found for one in results], releases)


def table(results: Sequence[Result], releases: int) -> str:
    """Return a table with a row for each stream, and a column for each rule."""
    names = [rule.name for rule in COMPARED]
    by = {(one.cell, one.rule): one for one in results}
    rows = [f"| good | look | answers | absolute | {' | '.join(names[1:])} |", "|" + 6 * " --- |"]
    for equal in sorted(
        {one.cell for one in results if one.cell.kind == "equal"},
        key=lambda cell: (cell.share, cell.look, cell.stream != "iid", cell.stream),
    ):
        entries = " | ".join(
            _entry(*(by[replace(equal, kind=kind), name] for kind in ("equal", "edge", "twice"))) for name in names
        )
        rows.append(f"| {equal.share * 100:g} % | {equal.look} | {equal.stream} | {entries} |")
    made = (
        f"{releases:,} releases in each cell. Each entry: the median requests of an equal canary until its decision, × "
        "one look; then, in percent, equal canaries promoted / canaries at the edge (twice the errors) promoted / "
        "canaries with three times the errors rejected, within eight times one look."
    )
    return f"{made}\n\n" + "\n".join(rows)


def _entry(equal: Result, edge: Result, twice: Result) -> str:
    needed = f"{equal.median / equal.cell.one_look:.2f}" if equal.median else "–"
    return f"{needed}; {equal.promoted * 100:.0f} / {edge.promoted * 100:.1f} / {twice.rejected * 100:.0f}"
