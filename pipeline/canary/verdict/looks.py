"""What was counted of one metric of one workload over time, and how the rule judges it: enough to judge it again."""

from __future__ import annotations

from dataclasses import dataclass

from canary.verdict.evidence import Evidence
from canary.verdict.tolerance import Tolerance


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
