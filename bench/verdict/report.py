"""The tables for docs/verdict.md, all cells as CSV, and the picture."""

from __future__ import annotations

import csv
import io
from statistics import median
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt

from bench.verdict.rules import RULES
from bench.verdict.streams import SHARES
from canary.verdict.evidence import Evidence
from canary.verdict.rule import Decision, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.verdict.simulate import Result

WALD = 0.49  # of one look: what Wald's test of two simple hypotheses needs on average, with errors of 5 % (Wald 1945)
NAMES = [rule.name for rule in RULES]
COLOURS = dict(zip(NAMES, ("#2a7", "#999", "#e73", "#36c", "#a4a"), strict=True))


def tables(results: Sequence[Result], releases: int) -> str:
    """Return all tables in Markdown."""
    made = f"Simulated: {releases:,} releases in each of {len(results) // len(NAMES):,} cells."
    rules = (
        "**Each rule, over all cells**: the mean, with the worst cell in brackets. The last column has the requests "
        "until an equal canary is decided, with independent answers, as a multiple of one look: the median, with the "
        "worst cell in brackets."
    )
    goals = (
        "**The verdict's goals, by share of good requests**: the worst of three cells, with canary traffic of 1/4, 1 "
        "and 4 × the baseline's. Bold figures miss their goal."
    )
    cells = (
        "**Cell by cell, with the same traffic on canary and baseline.** Each entry: equal canary rejected / canary at "
        "the edge promoted / canary twice as far promoted, in percent; then the median requests for an equal canary, "
        "× one look."
    )
    sources = "\n".join(f"* {rule.name}: {rule.source}" for rule in RULES)
    return "\n\n".join(
        [
            made,
            rules,
            _by_rule(results),
            goals,
            _goals(results),
            cells,
            _cells(results),
            f"The values of the rules, and their sources:\n\n{sources}",
        ]
    )


def durations() -> str:
    """Return the time until half of the equal canaries are promoted, in Markdown."""
    rows = ["| good | tolerance | requests of each variant | 1 / s | 10 / s | 100 / s |", "|" + 6 * " --- |"]
    for share, tolerance in ((0.2, 0.05), (0.9, 0.05), (0.95, 0.02), (0.99, 0.01), (0.999, 0.001), (0.9999, 0.0001)):
        few, many = 1, 10**9
        while few + 1 < many:
            half = (few + many) // 2
            seen = Evidence(half * share, half)
            few, many = (
                (few, half) if compare(seen, seen, tolerance=tolerance).decision is Decision.PROMOTE else (half, many)
            )
        times = " | ".join(_time(many / rate) for rate in (1, 10, 100))
        points = f"{tolerance * 100:g} point{'' if tolerance == 0.01 else 's'}"
        rows.append(f"| {share * 100:g} % | {points} | {many:,} | {times} |")
    return "\n".join(rows)


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


def picture(results: Sequence[Result], file: Path) -> None:
    """Draw the error rates against the requests needed, with one dot per cell."""
    mpl.use("agg")
    mpl.rcParams.update(
        {"svg.hashsalt": "canary", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    needed = {(_key(one), one.rule): one for one in results if one.cell.kind == "equal"}
    panels: list[tuple[str, str, Callable[[Result], float], float]] = [
        ("edge", "canary at the edge of the tolerance promoted", lambda one: one.promoted, 0.05),
        ("equal", "equal canary rejected", lambda one: one.rejected, 0.005),
    ]
    for axis, (kind, title, error, goal) in zip(axes, panels, strict=True):
        for name in reversed(NAMES):  # ours last, so that it is on top
            dots = [(needed[_key(one), name], one) for one in results if one.rule == name and one.cell.kind == kind]
            points = [(of.median / of.cell.one_look, error(one)) for of, one in dots if of.median]
            look = {"s": 16, "alpha": 0.5, "linewidths": 0, "color": COLOURS[name], "clip_on": False}
            axis.scatter(*zip(*points, strict=True), label=name, **look)
        axis.axhline(goal, color="black", linewidth=0.8, linestyle=":")
        axis.set(xscale="log", title=title, xlabel="requests to decide about an equal canary, × one look")
        axis.set_yscale("function", functions=(lambda y: abs(y) ** 0.5, lambda y: y**2))
        axis.set_ylim(0, 1)
        axis.set_yticks([0, 0.005, 0.05, 0.2, 0.5, 1], ["0", "0.5 %", "5 %", "20 %", "50 %", "100 %"])
    axes[1].legend(frameon=False, reverse=True)
    figure.savefig(file, dpi=130, metadata={"Software": None})


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
        figures = [f"{_percent(sum(values) / len(values))} % ({_percent(max(values))} %)" for values in shares]
        rows.append(f"| {name} | {' | '.join(figures)} | {median(needed):.2f} ({max(needed):.2f}) |")
    return "\n".join(rows)


def _goals(results: Sequence[Result]) -> str:
    head = (
        "| good | requests per look | answers | equal rejected (≤ 0.5 %) | edge promoted (≤ 5 %) "
        "| edge rejected (≤ 5 %) | requests, × one look (≤ 0.65; ≤ 0.9 at 10 %) |"
    )
    rows = [head, "|" + 7 * " --- |"]
    ours = [one for one in results if one.rule == NAMES[0]]
    for share in SHARES:
        for look in (20, 200):
            for stream in ("iid", "0.01", "0.05", "slow"):
                of = [one for one in ours if (one.cell.share, one.cell.look, one.cell.stream) == (share, look, stream)]
                equal = max(one.rejected for one in of if one.cell.kind == "equal")
                edge = [one for one in of if one.cell.kind == "edge"]
                needed = max(one.median / one.cell.one_look for one in of if one.cell.kind == "equal" and one.median)
                limit = 0.9 if share == 0.1 else 0.65
                is_at_the_edge = stream != "slow"  # a canary that starts slowly is not at the edge at first
                rows.append(
                    f"| {share * 100:g} % | {look} | {stream} | {_checked(equal, 0.005)} | "
                    f"{_checked(max(one.promoted for one in edge), 0.05)} | "
                    f"{_checked(max(one.rejected for one in edge), 0.05) if is_at_the_edge else '–'} | "
                    f"{(f'{needed:.2f}' if needed <= limit else f'**{needed:.2f}**') if stream == 'iid' else '–'} |"
                )
    return "\n".join(rows)


def _cells(results: Sequence[Result]) -> str:
    rows = [f"| good | look | answers | {' | '.join(NAMES)} |", "|" + (3 + len(NAMES)) * " --- |"]
    by = {(_key(one), one.cell.kind, one.rule): one for one in results}
    for key in dict.fromkeys(_key(one) for one in results if one.cell.ratio == 1):
        entries = []
        for name in NAMES:
            equal, edge, twice = (by[key, kind, name] for kind in ("equal", "edge", "twice"))
            needed = f"{equal.median / equal.cell.one_look:.2f}" if equal.median else "–"
            entries.append(
                f"{_percent(equal.rejected)} / {_percent(edge.promoted)} / {_percent(twice.promoted)}; {needed}"
            )
        share, _, look, stream = key
        rows.append(f"| {share * 100:g} % | {look} | {stream} | {' | '.join(entries)} |")
    return "\n".join(rows)


def _key(one: Result) -> tuple[float, float, int, str]:
    return one.cell.share, one.cell.ratio, one.cell.look, one.cell.stream


def _percent(share: float) -> str:
    return f"{share * 100:.1f}".removesuffix(".0")


def _checked(share: float, limit: float) -> str:
    """Return the share in percent, in bold where it exceeds the limit."""
    text = f"{_percent(share)} %"
    return text if share <= limit else f"**{text}**"
