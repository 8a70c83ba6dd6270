"""The tables for docs/verdict.md, and all cells as CSV."""

from __future__ import annotations

import csv
import io
import math
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from bench.verdict.ours import Ours
from bench.verdict.simulate import IID_LIMIT, LIMIT, RULES, simulate
from bench.verdict.streams import SHARES, TOLERANCES, Cell, grid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from bench.verdict.simulate import Result

WALD = 0.49  # of one look: what Wald's test of two simple hypotheses needs on average, with errors of 5 % (Wald 1945)
NAMES = [rule.name for rule in RULES]
STREAMS = list(dict.fromkeys(cell.stream for cell in grid()))
SHOWN = ("iid", "0.05", "incident", "traffic × 4")  # cell by cell; the rest is in the CSV
DURATIONS = (0.2, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0)
SECONDS_A_SCRAPE = 2


def tables(results: Sequence[Result], releases: int) -> str:
    """Return all tables in Markdown."""
    made = f"Simulated: {releases:,} releases in each of {len(results) // len(NAMES):,} cells."
    rules = (
        "**Each rule, over all cells**: the mean, with the worst cell in brackets. The last column has the requests "
        "until an equal canary is decided, with independent answers, as a multiple of one look: the median, with the "
        "worst cell in brackets."
    )
    promoted = (
        "**Canaries at the edge that the verdict promotes, in percent**: the worst of the cells with canary traffic of "
        f"1/4, 1 and 4 × the baseline's. Bold figures miss their goal: {IID_LIMIT * 100:g} % where answers are "
        f"independent, {LIMIT * 100:g} % elsewhere."
    )
    goals = (
        "**The verdict's other goals**: the worst of all cells of a row. Bold figures miss their goal. Requests are "
        "those until an equal canary is decided, with independent answers: the worst of the three cells, and the cell "
        "with the same traffic on canary and baseline; then those until a canary twice as far is rejected."
    )
    cells = (
        "**Cell by cell, with the same traffic on canary and baseline** (at first, where it changes). Each entry: "
        "equal canary rejected / canary at the edge promoted / canary twice as far promoted, in percent; then the "
        "median requests for an equal canary, × one look. The CSV file has the other streams."
    )
    sources = "\n".join(f"* {rule.name}: {rule.source}" for rule in RULES)
    return "\n\n".join(
        [
            made,
            rules,
            _by_rule(results),
            promoted,
            _promoted(results),
            _above(results),
            goals,
            _goals(results),
            cells,
            _cells(results),
            f"The values of the rules, and their sources:\n\n{sources}",
        ]
    )


def durations(pool: Executor, releases: int, seed: int) -> str:
    """Return the time until half of the equal canaries are promoted, in Markdown."""
    rows = ["| good | tolerance | requests of each variant | 1 / s | 10 / s | 100 / s |", "|" + 6 * " --- |"]
    rates = (1, 10, 100)
    cells = [Cell(share, "equal", 1, rate * SECONDS_A_SCRAPE) for share in DURATIONS for rate in rates]
    found = pool.map(partial(simulate, releases=releases, seed=seed, rules=(Ours,)), cells)
    medians = {(one.cell.share, one.cell.look): one.median for (one,) in found if one.median}
    for share in DURATIONS:
        needed = [medians[share, rate * SECONDS_A_SCRAPE] for rate in rates]
        times = " | ".join(_time(requests / rate) for requests, rate in zip(needed, rates, strict=True))
        tolerance = TOLERANCES[share]
        points = f"{tolerance * 100:g} point{'' if tolerance == 0.01 else 's'}"
        least, most = (f"{_rounded(end(needed)):,}" for end in (min, max))
        requests = least if least == most else f"{least} – {most}"
        rows.append(f"| {share * 100:g} % | {points} | {requests} | {times} |")
    return "\n".join(rows)


def _rounded(requests: float) -> int:
    """Return the number with two digits: the simulation tells no more."""
    return int(round(requests, 1 - math.floor(math.log10(requests))))


def _time(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def as_csv(results: Sequence[Result]) -> str:
    """Return the results of all cells and rules."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "good",
            "tolerance",
            "canary",
            "traffic",
            "look",
            "answers",
            "rule",
            "promoted",
            "rejected",
            "undecided",
            "median",
            "p95",
            "one_look",
            "median_of_one_look",
            "median_of_wald",
        ]
    )
    for one in results:
        cell, ratio = one.cell, one.median / one.cell.one_look if one.median else None
        writer.writerow(
            [f"{cell.share:g}", f"{cell.tolerance:g}", cell.kind, f"{cell.ratio:g}", cell.look, cell.stream, one.rule]
            + [f"{share:.4f}".rstrip("0").rstrip(".") for share in (one.promoted, one.rejected, abs(one.undecided))]
            + ["" if value is None else f"{value:.0f}" for value in (one.median, one.p95, cell.one_look)]
            + ["" if ratio is None else f"{value:.2f}" for value in (ratio or 0, (ratio or 0) / WALD)]
        )
    return out.getvalue()


def _by_rule(results: Sequence[Result]) -> str:
    rows = [
        "| rule | equal rejected | edge promoted | twice promoted | equal undecided | requests, × one look |",
        "|" + 6 * " --- |",
    ]
    for name in NAMES:
        of = [one for one in results if one.rule == name]
        shares = [
            [one.rejected for one in of if one.cell.kind == "equal"],
            [one.promoted for one in of if one.cell.kind == "edge"],
            [one.promoted for one in of if one.cell.kind == "twice"],
            [abs(one.undecided) for one in of if one.cell.kind == "equal"],
        ]
        needed = [
            one.median / one.cell.one_look for one in of if one.cell.kind == "equal" and one.cell.iid and one.median
        ]
        figures = [f"{percent(sum(values) / len(values))} % ({percent(max(values))} %)" for values in shares]
        rows.append(f"| {name} | {' | '.join(figures)} | {median(needed):.2f} ({max(needed):.2f}) |")
    return "\n".join(rows)


def _promoted(results: Sequence[Result]) -> str:
    rows = [f"| good | requests per look | {' | '.join(STREAMS)} |", "|" + (2 + len(STREAMS)) * " --- |"]
    edge = [one for one in results if one.rule == NAMES[0] and one.cell.kind == "edge"]
    for share in SHARES:
        for look in (20, 200):
            of = [one for one in edge if (one.cell.share, one.cell.look) == (share, look)]
            worst = [max((one for one in of if one.cell.stream == stream), key=_promotes) for stream in STREAMS]
            figures = [checked(one.promoted, one.limit).replace(" %", "") for one in worst]
            rows.append(f"| {share * 100:g} % | {look} | {' | '.join(figures)} |")
    return "\n".join(rows)


def _promotes(one: Result) -> float:
    return one.promoted


def _above(results: Sequence[Result]) -> str:
    """Return the cells that miss the goal for canaries at the edge, by name."""
    above = [one for one in results if one.rule == NAMES[0] and one.above_limit]
    many = sum(one.rule == NAMES[0] and one.cell.kind == "edge" for one in results)
    if not above:
        return f"None of the {many} cells misses its goal."
    rows = [
        f"* {one.cell.share * 100:g} % good, {one.cell.look} requests per look, canary traffic "
        f"{one.cell.ratio:g} × the baseline's, {one.cell.stream}: {percent(one.promoted)} %"
        for one in sorted(above, key=_promotes, reverse=True)
    ]
    misses = "misses its" if len(above) == 1 else "miss their"
    return f"{len(above)} of {many} cells {misses} goal:\n\n" + "\n".join(rows)


def _goals(results: Sequence[Result]) -> str:
    head = (
        "| good | requests per look | equal rejected (≤ 0.5 %) | edge rejected (≤ 5 %) | twice promoted "
        "| requests, × one look (≤ 0.65; ≤ 0.9 at 10 %) | same traffic | same traffic, twice rejected |"
    )
    rows = [head, "|" + 8 * " --- |"]
    ours = [one for one in results if one.rule == NAMES[0]]
    for share in SHARES:
        for look in (20, 200):
            of = [one for one in ours if (one.cell.share, one.cell.look) == (share, look)]
            equal = max(one.rejected for one in of if one.cell.kind == "equal")
            # a canary that starts slowly is not at the edge at first
            edge = max(one.rejected for one in of if one.cell.kind == "edge" and not one.cell.slow)
            twice = max(one.promoted for one in of if one.cell.kind == "twice")
            needed = {
                (one.cell.kind, one.cell.ratio): one.median / one.cell.one_look
                for one in of
                if one.cell.iid and one.median
            }
            limit = 0.9 if share == 0.1 else 0.65
            requests = max(ratio for (kind, _), ratio in needed.items() if kind == "equal"), needed["equal", 1]
            rows.append(
                f"| {share * 100:g} % | {look} | {checked(equal, 0.005)} | {checked(edge, 0.05)} | "
                f"{percent(twice)} % | "
                + " | ".join(f"{ratio:.2f}" if ratio <= limit else f"**{ratio:.2f}**" for ratio in requests)
                + f" | {needed['twice', 1]:.2f} |"
            )
    return "\n".join(rows)


def _cells(results: Sequence[Result]) -> str:
    rows = [f"| good | look | answers | {' | '.join(NAMES)} |", "|" + (3 + len(NAMES)) * " --- |"]
    by = {(of_cell(one), one.cell.kind, one.rule): one for one in results}
    shown = [one for one in results if one.cell.ratio == 1 and one.cell.stream in SHOWN]
    for key in dict.fromkeys(of_cell(one) for one in shown):
        entries = []
        for name in NAMES:
            equal, edge, twice = (by[key, kind, name] for kind in ("equal", "edge", "twice"))
            needed = f"{equal.median / equal.cell.one_look:.2f}" if equal.median else "–"
            entries.append(
                f"{percent(equal.rejected)} / {percent(edge.promoted)} / {percent(twice.promoted)}; {needed}"
            )
        share, _, look, stream = key
        rows.append(f"| {share * 100:g} % | {look} | {stream} | {' | '.join(entries)} |")
    return "\n".join(rows)


def of_cell(one: Result) -> tuple[float, float, int, str]:
    """Return what the cells of all kinds of canaries have in common."""
    return one.cell.share, one.cell.ratio, one.cell.look, one.cell.stream


def percent(share: float) -> str:
    """Return the share in percent, without the sign."""
    return f"{share * 100:.1f}".removesuffix(".0")


def checked(share: float, limit: float) -> str:
    """Return the share in percent, in bold where it exceeds the limit."""
    text = f"{percent(share)} %"
    return text if share <= limit else f"**{text}**"
