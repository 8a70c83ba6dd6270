"""What was counted of one metric of one workload over time, and how the rule judges it: enough to judge it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from canary.verdict.evidence import Evidence
from canary.verdict.tolerance import Tolerance

RECENT = 10
"""Looks over which the canary's share of the requests is taken: a step changes it."""


@dataclass(frozen=True)
class Look:
    """What a comparison was judged by at one look.

    Attributes:
        at: Unix seconds.
        baseline: everything counted of the baseline by then.
        canary: the same of the canary.
        stable: the same of stable, which decides nothing; None where it was not counted.
    """

    at: float
    baseline: Evidence
    canary: Evidence
    stable: Evidence | None = None


@dataclass(frozen=True)
class Counts:
    """One metric of one workload at each look, and how the rule judged it: enough to judge again.

    Attributes:
        workload: the stable Deployment's name.
        metric: its name.
        tolerance: how much worse the canary may be, None where none is set.
        alpha: error level of the verdict.
        comparisons: how many comparisons share the error level of REJECT.
        looks: oldest first.
        saved_until: Unix seconds of the last look that this command did not take itself, but read from the cluster:
            up to there, some looks are left out. None if it took all of them.
    """

    workload: str
    metric: str
    tolerance: Tolerance | None
    alpha: float
    comparisons: int
    looks: tuple[Look, ...]
    saved_until: float | None = None


def seen_share(looks: Sequence[Look]) -> float | None:
    """Return the canary's share of the latest requests, in 0–1; None without any, or if stable was not counted."""
    if not looks or looks[-1].stable is None:
        return None
    now, before = looks[-1], looks[-1 - RECENT] if len(looks) > RECENT else None
    counts = []
    for name in ("canary", "baseline", "stable"):
        later, earlier = getattr(now, name), getattr(before, name, None)
        counts.append(max(0.0, later.total - (earlier.total if earlier else 0.0)))
    return counts[0] / sum(counts) if sum(counts) else None
