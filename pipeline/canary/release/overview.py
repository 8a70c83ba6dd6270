"""Everything that a person needs to judge a release, read from the cluster, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from canary.release.status import VariantStatus, WorkloadStatus
from canary.verdict.comparison import Comparison
from canary.verdict.forecast import Forecast
from canary.verdict.looks import Counts


class Phase(StrEnum):
    """What happens with a workload now."""

    IDLE = "no release in progress"
    STARTING = "canary and baseline are starting"
    COMPARING = "a driver compares canary and baseline"
    WAITING = "a driver waits for a decision"
    LEFT = "nobody works on it: canary and baseline are still running"
    PROMOTING = "the canary's version is rolled out to stable"
    ROLLING_BACK = "the last promote is being rolled back"


class Action(StrEnum):
    """What a person can do."""

    PROMOTE = "promote"
    REJECT = "reject"
    WATCH = "watch"


@dataclass(frozen=True)
class PodOverview:
    """One pod of a variant.

    Attributes:
        name: of the pod.
        images: of its containers.
        ready: whether it gets traffic.
        restarts: of all its containers.
        created: Unix seconds when it was made.
        reason: what holds it up, empty when nothing does.
    """

    name: str
    images: tuple[str, ...]
    ready: bool
    restarts: int
    created: float
    reason: str = ""


@dataclass(frozen=True)
class VariantOverview:
    """One variant and its pods.

    Attributes:
        status: its Deployment.
        pods: oldest first, those that are being deleted left out.
        good: good answers of the first metric so far, None if nothing was counted.
        total: all answers of the first metric so far, None if nothing was counted.
    """

    status: VariantStatus
    pods: tuple[PodOverview, ...]
    good: float | None = None
    total: float | None = None


@dataclass(frozen=True)
class MetricOverview:
    """One metric of a workload.

    Attributes:
        comparison: canary and baseline, as of the last look.
        counts: the same at each look so far, with stable where it was counted.
        objective: seconds within which an answer is good, None for a share of counters.
        quality: what a good answer is called: `good`, or `within 0.25 s`.
        forecast: the decision to expect on this metric alone, None if there is one or if that cannot be said.
    """

    comparison: Comparison
    counts: Counts
    objective: float | None = None
    quality: str = "good"
    forecast: Forecast | None = None


@dataclass(frozen=True)
class Health:
    """One sign of how far the experiment itself can be trusted.

    Attributes:
        topic: `scrapes`, `traffic`, `requests`, `looks` or `lock`.
        is_problem: whether somebody should look after it.
        text: one sentence.
    """

    topic: str
    is_problem: bool
    text: str


@dataclass(frozen=True)
class Happening:
    """Something that a driver did, as it told Kubernetes.

    Attributes:
        at: Unix seconds.
        text: one sentence.
        is_warning: whether it needs attention.
    """

    at: float
    text: str
    is_warning: bool = False


@dataclass(frozen=True)
class Choice:
    """What one button does.

    Attributes:
        action: which.
        consequence: what it does, in a few words: `replace 4 stable pods with sampleapp:20`.
        why_not: why it cannot be done from here now, empty if it can.
        command: the command that does it, empty if there is none.
        confirm: the name of the release, which the person must type; empty if nothing must be typed.
        warning: why that must be typed, empty if nothing must be.
    """

    action: Action
    consequence: str
    why_not: str = ""
    command: str = ""
    confirm: str = ""
    warning: str = ""


@dataclass(frozen=True)
class WorkloadOverview:
    """One workload.

    Attributes:
        status: its Deployments, its lock and its gate, as `canary status` shows them.
        phase: what happens with it now.
        headline: which version is better, in a few words; what happens, before that is known.
        waiting_for: what stands before the verdict is acted on, empty if nothing does.
        alpha: error level of the verdict.
        began: Unix seconds when the first driver began to compare, None before that.
        seen_at: Unix seconds of the last look, None before the first.
        variants: those that exist.
        metrics: the worst one first.
        health: of the experiment.
        happenings: newest first.
        choices: the buttons, in their order.
        together: names of the workloads that are decided together, itself included.
    """

    status: WorkloadStatus
    phase: Phase
    headline: str
    waiting_for: str = ""
    alpha: float = 0.05
    began: float | None = None
    seen_at: float | None = None
    variants: tuple[VariantOverview, ...] = ()
    metrics: tuple[MetricOverview, ...] = ()
    health: tuple[Health, ...] = ()
    happenings: tuple[Happening, ...] = ()
    choices: tuple[Choice, ...] = ()
    together: tuple[str, ...] = ()


@dataclass(frozen=True)
class Overview:
    """All workloads of a namespace that the console shows.

    Attributes:
        namespace: where they live.
        at: Unix seconds when the cluster was read.
        workloads: the worst one first.
    """

    namespace: str
    at: float
    workloads: tuple[WorkloadOverview, ...]
