"""What the rule says of a comparison, and of all comparisons of a release."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from canary.verdict.evidence import Evidence
from canary.verdict.tolerance import Tolerance


class Decision(StrEnum):
    """What the evidence allows."""

    PROMOTE = "PROMOTE"
    REJECT = "REJECT"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True)
class Comparison:
    """One metric of one workload, compared.

    Attributes:
        metric: its name, such as `success` or `latency`.
        workload: the stable Deployment's name.
        decision: of this metric alone.
        baseline: its evidence.
        canary: its evidence.
        difference: canary's share minus baseline's, in −1–1; None without requests on either side. It is the one within
            the same scrapes if it differs much from that of all requests, because their traffic has changed.
        interval: of the difference. With an absolute tolerance it agrees with the decision: it lies at or above
            −tolerance if PROMOTE, at or below it if REJECT, and has it inside if UNDECIDED.
        tolerance: how much worse the canary may be; None when it is not set, and then nothing is decided.
        alpha: error level of PROMOTE.
        reject_alpha: error level of REJECT, shared among the comparisons of the release.
        dispersion: how much more the counts scatter than by chance, ≥ 1.
        scrapes: number of scrapes with answers of both variants; None for counts that a person passed.
        measured: whether these scrapes tell the dispersion, so that nothing is presumed.
        sentence: the comparison for a person.
        quality: what a good request is called: `good`, `within 250 ms`.
        ratio: the canary's share of errors as a multiple of the baseline's, compared as the difference is; None without
            a relative tolerance, and while the baseline has no errors.
        ratio_interval: of the ratio. With a relative tolerance it agrees with the decision: it lies at or below it if
            PROMOTE, at or above it if REJECT, and has it inside if UNDECIDED.
    """

    metric: str
    workload: str
    decision: Decision
    baseline: Evidence
    canary: Evidence
    difference: float | None
    interval: tuple[float, float]
    tolerance: Tolerance | None
    alpha: float
    reject_alpha: float
    dispersion: float
    scrapes: int | None = None
    measured: bool = True
    sentence: str = ""
    quality: str = "good"
    ratio: float | None = None
    ratio_interval: tuple[float, float] = (0.0, math.inf)


@dataclass(frozen=True)
class Verdict:
    """The result of all comparisons of a release.

    Attributes:
        decision: PROMOTE if every comparison says so, REJECT if one does, else UNDECIDED.
        comparisons: one for each metric of each workload.
        sentence: for a person; names the metric that decided.
        withheld: why it cannot be PROMOTE, whatever the comparisons say; empty if it can.
    """

    decision: Decision
    comparisons: tuple[Comparison, ...]
    sentence: str
    withheld: str = ""

    def withhold(self, why: str) -> Verdict:
        """Return UNDECIDED in place of PROMOTE."""
        sentence = f"{self.sentence}; not promoted: {why}"
        return replace(self, decision=Decision.UNDECIDED, sentence=sentence, withheld=why)
