"""A relative tolerance, on the streams of the other rules.

It is the multiple of the baseline's errors that a canary at the edge of the absolute tolerance has: twice at 99 and
99.9 % good. So both tolerances ask the same question, and can be compared.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.ours import Ours
from bench.verdict.simulate import simulate
from bench.verdict.streams import INCIDENT, Cell
from canary.verdict.tolerance import Multiple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from bench.verdict.rules import Rule
    from bench.verdict.simulate import Result
    from bench.verdict.streams import Block


class Relative(Ours):
    """The e-process on the errors of each scrape, with the dispersion of the rule."""

    name = "relative"
    source = "Lindon and Malek (2022)"

    def log_ratios(self, block: Block, predicted: np.ndarray) -> np.ndarray:
        """Return the logarithm of the likelihood ratio of each alternative for each release and look."""
        baseline, canary = block.totals
        bad = canary - block.good[1]
        errors = baseline - block.good[0] + bad
        limit = self.most * ((1 - predicted) * (baseline + canary) + 1)
        factor = np.minimum(1.0, limit / np.maximum(errors, 1))
        times = tolerance(self.cell).times
        ratios = [times**-difference for difference, _ in (*self.promote, *self.reject)]
        return np.stack(
            [
                factor
                * (bad * np.log(r / times) - errors * np.log((r * canary + baseline) / (times * canary + baseline)))
                for r in ratios
            ]
        )


class WithoutLimit(Relative):
    """The same, without a limit to the errors of a scrape."""

    name = "relative, without a limit"
    most = np.inf


COMPARED: tuple[type[Rule], ...] = (Ours, Relative, WithoutLimit)


def tolerance(cell: Cell) -> Multiple:
    """Return the multiple of the baseline's errors that a canary at the edge of the cell's tolerance has."""
    return Multiple(1 + cell.tolerance / (1 - cell.share))


def cells() -> list[Cell]:
    """Return equal canaries, those at the edge of the tolerance and those twice as far, on each stream."""
    found = []
    for share, kind in itertools.product((0.5, 0.9, 0.99, 0.999), ("equal", "edge", "twice")):
        for look in (20, 200) if share >= 0.99 else (20,):
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
    rows = [f"| good | tolerance | look | answers | absolute | {' | '.join(names[1:])} |", "|" + 7 * " --- |"]
    for equal in sorted(
        {one.cell for one in results if one.cell.kind == "equal"},
        key=lambda cell: (cell.share, cell.look, cell.stream != "iid", cell.stream),
    ):
        entries = " | ".join(
            _entry(*(by[replace(equal, kind=kind), name] for kind in ("equal", "edge", "twice"))) for name in names
        )
        rows.append(f"| {equal.share * 100:g} % | {tolerance(equal)} | {equal.look} | {equal.stream} | {entries} |")
    made = (
        f"{releases:,} releases in each cell. Each entry: the median requests of an equal canary until its decision, × "
        "one look; then, in percent, equal canaries promoted / canaries at the edge of the tolerance promoted / "
        "canaries twice as far rejected, within eight times one look or 600 looks."
    )
    return f"{made}\n\n" + "\n".join(rows)


def _entry(equal: Result, edge: Result, twice: Result) -> str:
    needed = f"{equal.median / equal.cell.one_look:.2f}" if equal.median else "–"
    return f"{needed}; {equal.promoted * 100:.0f} / {edge.promoted * 100:.1f} / {twice.rejected * 100:.0f}"
