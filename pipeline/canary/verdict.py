"""The verdict: a continuously valid non-inferiority test of a canary against its baseline."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Decision(StrEnum):
    """What the evidence allows."""

    PROMOTE = "PROMOTE"
    REJECT = "REJECT"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True)
class Evidence:
    """What one variant has shown on one metric since its warm-up ended.

    Attributes:
        good: good requests.
        total: all requests.
        scrapes: scrapes in which requests were counted.
        spread: the sum over those scrapes of good² / total, from which the dispersion follows without keeping each of them.
    """

    good: float = 0.0
    total: float = 0.0
    scrapes: int = 0
    spread: float = 0.0

    def add(self, good: float, total: float) -> Evidence:
        """Return the evidence with one more scrape's requests (`total` new ones, of which `good` were good)."""
        raise NotImplementedError

    @property
    def share(self) -> float | None:
        """Return the share of good requests in 0–1, None without requests."""
        raise NotImplementedError

    @property
    def dispersion(self) -> float:
        """Return Pearson's χ² of the per-scrape counts over its degrees of freedom; ≥ 1, and 1 before the eighth scrape."""
        raise NotImplementedError


@dataclass(frozen=True)
class Comparison:
    """One metric of one workload, compared.

    Attributes:
        metric: its name, such as `success` or `latency`.
        workload: the stable Deployment's name.
        decision: of this metric alone.
        baseline: its evidence.
        canary: its evidence.
        difference: canary's share minus baseline's, in −1–1; None without requests on either side.
        interval: continuously valid interval of the difference at level `alpha`.
        tolerance: share by which the canary may be worse.
        alpha: error level.
        sentence: the comparison for a person.
    """

    metric: str
    workload: str
    decision: Decision
    baseline: Evidence
    canary: Evidence
    difference: float | None
    interval: tuple[float, float]
    tolerance: float
    alpha: float
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What all comparisons of a release come to.

    Attributes:
        decision: PROMOTE if every comparison says so, REJECT if one does, else UNDECIDED.
        comparisons: one for each metric of each workload.
        sentence: for a person; names the metric that decided.
    """

    decision: Decision
    comparisons: tuple[Comparison, ...]
    sentence: str
