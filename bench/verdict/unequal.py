"""Unequal shares: one variant gets four times the requests of the other, and both together as many as with equal ones.

So the figures compare with those of equal shares. All rules see the streams, as in the other tables: that keeps the
random numbers, and with them the figures of equal shares.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.ours import Ours
from bench.verdict.report import checked, percent
from bench.verdict.sample_ratio import INTERVAL, RELEASES, REQUESTS, SCRAPES, alarms
from bench.verdict.simulate import IID_LIMIT, LIMIT, simulate
from bench.verdict.streams import Cell, grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Executor

    from bench.verdict.simulate import Result

    Row = tuple[float, int]
    """The baseline's share of good requests, and the requests of both variants per look."""

RATIOS = (0.25, 1, 4)
"""The canary's requests divided by the baseline's."""
KINDS = ("equal", "edge", "twice")
LEFT_OUT = ("traffic × 1.5", "traffic × 2")  # they lie between the two changes of traffic that are simulated
TESTED = Cell(0.99, "equal", 4, 8)
TESTERS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0)
"""By how many tolerances testers' requests are answered better than those of others."""
TIMES = (3, 4, 5, 6, 8, 16)
"""Times the other variant's requests, where the check for requests without an answer is simulated."""


def divided(cell: Cell, ratio: float) -> Cell:
    """Return the cell with another division of the same requests per look. It is exact for `RATIOS`."""
    return replace(cell, ratio=ratio, look=round(together(cell) / (1 + ratio)))


def together(cell: Cell) -> int:
    """Return the requests of both variants per look, before traffic changes."""
    return round(cell.look * (1 + cell.ratio))


def cells() -> list[Cell]:
    """Return the cells of the grid with equal shares, divided by each of `RATIOS`."""
    return [
        divided(cell, ratio)
        for cell in grid()
        if cell.ratio == 1 and cell.kind in KINDS and cell.stream not in LEFT_OUT
        for ratio in RATIOS
    ]


def with_testers(kind: str, better: float) -> Cell:
    """Return a cell in which testers send three of four of the canary's requests."""
    return replace(TESTED, kind=kind, testers=better)


def unequal(pool: Executor, releases: int, seed: int) -> str:
    """Return the tables of the verdict with unequal shares, in Markdown."""
    wanted = [*cells(), *(with_testers(kind, one) for kind in ("equal", "edge") for one in TESTERS if one)]
    wanted.sort(key=lambda cell: -cell.one_look / cell.look)  # the longest first
    found = pool.map(partial(simulate, releases=releases, seed=seed), wanted)
    results = [one for of_cell in found for one in of_cell if one.rule == Ours.name]
    return f"{table(results, releases)}\n\n{withheld(seed)}"


def table(results: Sequence[Result], releases: int) -> str:
    """Return the tables of these results in Markdown."""
    by = {one.cell: one for one in results if not one.cell.testers}
    made = (
        f"Simulated: {releases:,} releases in each of {len(by):,} cells. Requests per look are those of canary and "
        "baseline together. Three figures are those of a canary with a quarter of the baseline's requests / as many / "
        "four times as many."
    )
    promoted = (
        f"**Canaries at the edge that the verdict promotes, in percent.** The goals are {IID_LIMIT * 100:g} % where "
        f"answers are independent, and {LIMIT * 100:g} % elsewhere. {missing(by.values())} cells miss them (bold)."
    )
    goals = "**Other figures, in percent**: the worst of all streams in a row. Bold figures miss their goal."
    needed = (
        "**Requests until a decision**: the median of the requests of both variants together, as a multiple of that "
        "with equal shares. The canary gets a quarter of the baseline's requests / four times as many. A dash stands "
        "where more than half of the releases stay undecided."
    )
    tested = (
        f"**Testers who behave unlike others, in percent of the releases**: {TESTED.share * 100:g} % good, a tolerance "
        f"of {TESTED.tolerance * 100:g} point, {together(TESTED)} requests per look, independent answers. The canary "
        "gets four times the baseline's requests, three of four from testers."
    )
    tables = [promoted, _promoted(by), goals, _goals(by), needed, _needed(by), tested]
    return "\n\n".join([made, *tables, _tested(results)])


def missing(results: Iterable[Result]) -> str:
    """Return how many cells with each ratio miss the goal for canaries at the edge."""
    edge = [one for one in results if one.cell.kind == "edge"]
    counts = [f"{sum(one.above_limit for one in edge if one.cell.ratio == ratio)}" for ratio in RATIOS]
    return f"{' / '.join(counts)} of {len(edge) // len(RATIOS)}"


def withheld(seed: int) -> str:
    """Return when the check for requests without an answer withholds PROMOTE, in Markdown."""
    minutes = SCRAPES * INTERVAL / 60
    rows = []
    for times in TIMES:
        found = alarmed(times, RELEASES, seed)
        median = f"{np.median(found[found > 0]) * INTERVAL / 60:.0f} min" if found.any() else "–"
        rows.append([f"{times} times", f"{np.mean(found > 0) * 100:.0f} %", median])
    made = (
        f"**Releases in which PROMOTE is withheld within {minutes:g} minutes**, because the check for requests without "
        "an answer takes the variant with fewer requests for one that hangs, and the median time until then (one pod "
        f"of each variant, scrapes every {INTERVAL:g} s):"
    )
    return f"{made}\n\n" + _markdown(["one variant gets", "withheld", "after"], rows)


def alarmed(times: float, releases: int, seed: int) -> np.ndarray:
    """Return the scrape from which PROMOTE is withheld in each release; 0 if it never is.

    Args:
        times: the canary's requests divided by the baseline's. All are answered.
        releases: how many are simulated.
        seed: of the random numbers.
    """
    rng = np.random.default_rng([seed, round(times * 1000)])
    baseline, canary = (
        rng.poisson(REQUESTS * share, (releases, SCRAPES)) for share in (1 / (1 + times), times / (1 + times))
    )
    return alarms(baseline, canary)


def _promoted(by: dict[Cell, Result]) -> str:
    streams = list(dict.fromkeys(cell.stream for cell in cells()))
    rows = []
    for row in _rows(by):
        edge = {(one.cell.stream, one.cell.ratio): one for one in _of(by, row) if one.cell.kind == "edge"}
        entries = [[edge[stream, ratio] for ratio in RATIOS] for stream in streams]
        figures = [[checked(one.promoted, one.limit).replace(" %", "") for one in entry] for entry in entries]
        rows.append([*_named(row), *(" / ".join(entry) for entry in figures)])
    return _markdown(["good", "requests per look", *streams], rows)


def _goals(by: dict[Cell, Result]) -> str:
    figures: list[tuple[str, str, float, Callable[[Result], float]]] = [
        ("equal rejected (≤ 0.5 %)", "equal", 0.005, lambda one: one.rejected),
        ("edge rejected (≤ 5 %)", "edge", 0.05, lambda one: one.rejected),
        ("twice promoted", "twice", 1, lambda one: one.promoted),
        ("equal undecided", "equal", 1, lambda one: abs(one.undecided)),
        ("twice undecided", "twice", 1, lambda one: abs(one.undecided)),
    ]
    rows = []
    for row in _rows(by):
        entries = []
        for _, kind, limit, figure in figures:
            # a canary that starts slowly is not at the edge at first
            of = [one for one in _of(by, row) if one.cell.kind == kind and not (kind == "edge" and one.cell.slow)]
            worst = [max(figure(one) for one in of if one.cell.ratio == ratio) for ratio in RATIOS]
            entries.append(" / ".join(checked(one, limit).replace(" %", "") for one in worst))
        rows.append([*_named(row), *entries])
    return _markdown(["good", "requests per look", *(head for head, *_ in figures)], rows)


def _needed(by: dict[Cell, Result]) -> str:
    columns = list(itertools.product(("equal", "twice"), ("iid", "0.05")))
    rows = []
    for row in _rows(by):
        medians = {
            (one.cell.kind, one.cell.stream, one.cell.ratio): one.median * (1 + one.cell.ratio)
            for one in _of(by, row)
            if one.median and one.undecided <= 0.5
        }
        entries = [
            " / ".join(_multiple(medians.get((*column, ratio)), medians.get((*column, 1))) for ratio in (0.25, 4))
            for column in columns
        ]
        rows.append([*_named(row), *entries])
    return _markdown(["good", "requests per look", *(f"{kind}, {stream}" for kind, stream in columns)], rows)


def _multiple(requests: float | None, with_equal: float | None) -> str:
    return f"{requests / with_equal:.2f}" if requests and with_equal else "–"


def _tested(results: Sequence[Result]) -> str:
    by = {one.cell: one for one in results}
    rows = []
    for better in TESTERS:
        equal, edge = (by[with_testers(kind, better)] for kind in ("equal", "edge"))
        entries = [percent(one) for one in (equal.promoted, equal.rejected, edge.promoted, edge.rejected)]
        rows.append([_points(better * TESTED.tolerance * 100), *entries])
    head = ["testers' requests are good more often by", "equal promoted", "equal rejected"]
    return _markdown([*head, "edge promoted", "edge rejected"], rows)


def _points(points: float) -> str:
    sign = "−" if points < 0 else "+" if points > 0 else ""
    return f"{sign}{abs(points):g} point{'' if abs(points) == 1 else 's'}"


def _rows(by: dict[Cell, Result]) -> list[Row]:
    return sorted({(cell.share, together(cell)) for cell in by})


def _of(by: dict[Cell, Result], row: Row) -> list[Result]:
    return [one for cell, one in by.items() if (cell.share, together(cell)) == row]


def _named(row: Row) -> list[str]:
    return [f"{row[0] * 100:g} %", f"{row[1]}"]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
