"""The rule and the candidates that compare within each scrape, on streams as production has them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from statistics import geometric_mean
from typing import TYPE_CHECKING

from bench.verdict.blend import Blend
from bench.verdict.eprocess import EProcess
from bench.verdict.guarded import GuardedEProcess, GuardedStratified
from bench.verdict.rules import Ours, Rule
from bench.verdict.simulate import simulate
from bench.verdict.stratified import Stratified
from bench.verdict.streams import SHARES, Cell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from bench.verdict.simulate import Result

COMPARED: tuple[type[Rule], ...] = (Ours, Stratified, EProcess, Blend, GuardedStratified, GuardedEProcess)
IID_LIMIT, LIMIT = 0.05, 0.08  # of canaries at the edge that are promoted, with independent and with other answers
INCIDENT = 5
"""The look of a shared incident: before any rule has decided."""


def cells() -> list[Cell]:
    """Return equal canaries and those at the edge, on each stream; with other traffic than the baseline's, on two."""
    found = []
    for share in SHARES:
        for look in (20, 200):
            for kind in ("equal", "edge"):
                cell = Cell(share, kind, 1, look)
                found += [
                    *(replace(cell, correlation=correlation) for correlation in (0.0, 0.01, 0.05)),
                    replace(cell, clump=5),
                    replace(cell, incident=INCIDENT),
                    *(replace(cell, growth=growth) for growth in (1.5, 2.0, 4.0)),
                ]
                found += [
                    replace(cell, ratio=ratio, correlation=correlation)
                    for ratio in (0.25, 4)
                    for correlation in (0.0, 0.05)
                ]
    return found


def by_stream(pool: Executor, releases: int, seed: int) -> str:
    """Return the results of the rule and the candidates on all streams, in Markdown."""
    wanted = sorted(cells(), key=lambda cell: -cell.one_look / cell.look)  # the longest first
    found = pool.map(partial(simulate, releases=releases, seed=seed, rules=COMPARED), wanted)
    return table([one for results in found for one in results], releases)


def table(results: Sequence[Result], releases: int) -> str:
    """Return two tables: each rule over all cells, and cell by cell."""
    names = list(dict.fromkeys(one.rule for one in results))
    head = (
        "| rule | equal rejected, worst | edge rejected, worst | edge promoted, worst: independent | other answers "
        "| cells above 5 %: independent | above 8 %: others | requests, × today's |"
    )
    first = [head, "|" + 8 * " --- |", *(f"| {name} | {' | '.join(_figures(results, name))} |" for name in names)]
    second = [f"| good | look | traffic | answers | {' | '.join(names)} |", "|" + (4 + len(names)) * " --- |"]
    by = {(one.cell, one.rule): one for one in results}
    edges = {one.cell for one in results if one.cell.kind == "edge"}
    for edge in sorted(edges, key=lambda cell: (cell.share, cell.look, cell.ratio, cell.stream != "iid", cell.stream)):
        equal = replace(edge, kind="equal")
        entries = " | ".join(_entry(by[equal, name], by[edge, name]) for name in names)
        second.append(f"| {edge.share * 100:g} % | {edge.look} | × {edge.ratio:g} | {edge.stream} | {entries} |")
    made = (
        f"Simulated: {releases:,} releases in each of {len({one.cell for one in results})} cells. Cell by cell: the "
        "median requests of an equal canary until its decision, × one look; then the canaries at the edge of the "
        f"tolerance that are promoted, in bold above {IID_LIMIT * 100:g} % with independent answers and above "
        f"{LIMIT * 100:g} % with others."
    )
    return "\n\n".join([made, "\n".join(first), "\n".join(second)])


def _figures(results: Sequence[Result], name: str) -> list[str]:
    equal = [one for one in results if one.rule == name and one.cell.kind == "equal"]
    edge = [one for one in results if one.rule == name and one.cell.kind == "edge"]
    independent = [one.promoted for one in edge if one.cell.iid]
    other = [one.promoted for one in edge if not one.cell.iid]
    today = {one.cell: one.median for one in results if one.rule == Ours.name}
    ratios = [one.median / before for one in equal if one.median and (before := today[one.cell])]
    return [
        *(f"{max(one.rejected for one in of) * 100:.1f} %" for of in (equal, edge)),
        *(f"{max(shares, default=0) * 100:.1f} %" for shares in (independent, other)),
        f"{sum(share > IID_LIMIT for share in independent)} of {len(independent)}",
        f"{sum(share > LIMIT for share in other)} of {len(other)}",
        f"{geometric_mean(ratios):.2f}" if ratios else "–",
    ]


def _entry(equal: Result, edge: Result) -> str:
    needed = f"{equal.median / equal.cell.one_look:.2f}" if equal.median else "–"
    promoted = f"{edge.promoted * 100:.1f} %"
    over = edge.promoted > (IID_LIMIT if edge.cell.iid else LIMIT)
    return f"{needed}; {f'**{promoted}**' if over else promoted}"
