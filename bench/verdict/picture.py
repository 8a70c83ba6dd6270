"""The picture for docs/verdict.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt

from bench.verdict.report import NAMES, of_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.verdict.simulate import Result

COLOURS = dict(zip(NAMES, ("#2a7", "#999", "#e73", "#36c", "#a4a"), strict=True))


def picture(results: Sequence[Result], file: Path) -> None:
    """Draw the error rates against the requests needed, with one dot per cell."""
    mpl.use("agg")
    mpl.rcParams.update(
        {"svg.hashsalt": "canary", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    needed = {(of_cell(one), one.rule): one for one in results if one.cell.kind == "equal"}
    panels: list[tuple[str, str, Callable[[Result], float], float]] = [
        ("edge", "canary at the edge of the tolerance promoted", lambda one: one.promoted, 0.05),
        ("equal", "equal canary rejected", lambda one: one.rejected, 0.005),
    ]
    for axis, (kind, title, error, goal) in zip(axes, panels, strict=True):
        for name in reversed(NAMES):  # ours last, so that it is on top
            dots = [(needed[of_cell(one), name], one) for one in results if one.rule == name and one.cell.kind == kind]
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
