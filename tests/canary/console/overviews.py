"""Made-up overviews of releases, for tests of the console.

The counts are invented; the rule judges them as it judges those of a cluster.
"""

from __future__ import annotations

import random
from dataclasses import replace

from canary.marks import Variant
from canary.release.overview import (
    Action,
    Choice,
    Happening,
    Health,
    MetricOverview,
    Overview,
    Phase,
    PodOverview,
    VariantOverview,
    WorkloadOverview,
)
from canary.release.status import VariantStatus, WorkloadStatus
from canary.state.decision import WaitingGate
from canary.state.lease import Holder
from canary.times import timestamp
from canary.variants.steps import Step
from canary.verdict.comparison import Decision
from canary.verdict.evidence import Evidence
from canary.verdict.forecast import forecast
from canary.verdict.looks import Counts, Look
from canary.verdict.rule import compare_strata
from canary.verdict.strata import Strata
from canary.verdict.tolerance import Tolerance

BEGAN = 1_790_000_000.0
SHARES = {Variant.STABLE: 0.9, Variant.BASELINE: 0.9, Variant.CANARY: 0.9}
PROMOTE = Choice(Action.PROMOTE, "replace 4 stable pods with sampleapp:20")
REJECT = Choice(Action.REJECT, "delete canary and baseline; stable stays as it is")
WATCH = Choice(Action.WATCH, "compare for longer, and ask again")
AGAINST = replace(
    PROMOTE,
    confirm="sampleapp",
    warning="This promotes against the verdict REJECT, and stable records that.",
)
COMMAND = replace(
    PROMOTE,
    why_not="A promote needs the manifests, which the console does not have. Run this in their folder:",
    command="canary promote manifests/ --image sampleapp:20 -n shop",
)


def metric(
    name: str = "success",
    *,
    canary: float = 0.9,
    baseline: float = 0.9,
    looks: int = 40,
    each: float = 40,
    tolerance: Tolerance | None = 0.05,
    workload: str = "sampleapp",
    silent: bool = False,
    comparisons: int = 1,
    objective: float | None = None,
) -> MetricOverview:
    """Return a metric with so many looks, five seconds apart, in which each variant answers `each` requests."""
    chance = random.Random(name)
    now = dict.fromkeys(Variant, Evidence())
    shares = {Variant.STABLE: baseline, Variant.BASELINE: baseline, Variant.CANARY: canary}
    strata, taken = Strata(tolerance), []
    quality = f"within {objective:g} s" if objective else "good"
    for number in range(1, looks + 1):
        before = dict(now)
        for variant, share in shares.items():
            total = 0 if silent and variant is Variant.CANARY else round(each * (4 if variant is Variant.STABLE else 1))
            spread = max(0.0, total * share * (1 - share)) ** 0.5
            good = min(total, max(0, round(chance.gauss(total * share, spread))))
            now[variant] = now[variant].add(good, total)
        strata = strata.add(*(now[one].since(before[one]) for one in (Variant.BASELINE, Variant.CANARY)))
        taken.append(Look(BEGAN + 5 * number, now[Variant.BASELINE], now[Variant.CANARY], now[Variant.STABLE]))
    found = compare_strata(strata, comparisons=comparisons, metric=name, workload=workload, quality=quality)
    counts = Counts(workload, name, tolerance, 0.05, comparisons, tuple(taken))
    expected = forecast(strata, found, comparisons=comparisons, seconds=5)
    return MetricOverview(found, counts, objective, quality, expected)


def variant(
    kind: Variant,
    image: str,
    pods: int,
    *,
    ready: int | None = None,
    metric: MetricOverview | None = None,
    name: str = "sampleapp",
    reason: str = "",
    restarts: int = 0,
    age: float = 240,
) -> VariantOverview:
    """Return a variant with so many pods."""
    ready = pods if ready is None else ready
    own = name if kind is Variant.STABLE else f"{name}-{kind}"
    at = BEGAN + (5 * len(metric.counts.looks) if metric else 0)
    made = at - age - (3 * 86_400 if kind is Variant.STABLE else 0)
    each = tuple(
        PodOverview(
            f"{own}-7d9c5b8f6-x{n:02}k2",
            (image,),
            n < ready,
            restarts if n == 0 else 0,
            made + n,
            "" if n < ready else reason,
        )
        for n in range(pods)
    )
    look = metric.counts.looks[-1] if metric and metric.counts.looks else None
    seen = None if look is None else {"stable": look.stable, "baseline": look.baseline, "canary": look.canary}[kind]
    status = VariantStatus(kind, own, (image,), ready, pods, pods, timestamp(made), None, reason)
    return VariantOverview(status, each, seen.good if seen else None, seen.total if seen else None)


def three(
    of: MetricOverview | None, *, name: str = "sampleapp", canary: str = "sampleapp:20", stable: int = 4, each: int = 1
) -> tuple[VariantOverview, ...]:
    """Return the three variants in a release."""
    return (
        variant(Variant.CANARY, canary, 1, metric=of, name=name),
        variant(Variant.BASELINE, "sampleapp:10", 1, metric=of, name=name),
        variant(Variant.STABLE, "sampleapp:10", 4, metric=of, name=name),
    )


HEALTHY = (
    Health("scrapes", is_problem=False, text="All pods report their counts."),
    Health("traffic", is_problem=False, text="No sign of requests without an answer."),
    Health("requests", is_problem=False, text="Requests per second: canary 25.1, baseline 26.5."),
    Health("looks", is_problem=False, text="No answers are counted while the release waits."),
    Health("lock", is_problem=False, text="ada@laptop, process 4711 works on it; last sign of life 2 s ago."),
)
HAPPENINGS = (
    Happening(BEGAN + 190, "waiting up to 3600 s for a decision"),
    Happening(BEGAN + 185, "verdict in: success"),
    Happening(BEGAN + 2, "comparing canary and baseline, with a look every 5 s"),
    Happening(BEGAN - 1, "sampleapp-canary: 1 pod ready after 2.1 s"),
    Happening(BEGAN - 1, "sampleapp-baseline: 1 pod ready after 2.0 s"),
    Happening(BEGAN - 4, "deployed sampleapp: its canary runs sampleapp:20"),
)


def workload(
    *metrics: MetricOverview,
    phase: Phase = Phase.WAITING,
    headline: str = "",
    name: str = "sampleapp",
    choices: tuple[Choice, ...] = (),
    step: Step | None = None,
    waiting_for: str = "",
    verdict: Decision | None = None,
    sentence: str = "",
    variants: tuple[VariantOverview, ...] | None = None,
    health: tuple[Health, ...] = HEALTHY,
    happenings: tuple[Happening, ...] = HAPPENINGS,
    **status: object,
) -> WorkloadOverview:
    """Return a workload in a release."""
    worst = metrics[0] if metrics else None
    decision = verdict or (worst.comparison.decision if worst else None)
    gate = WaitingGate("ada@laptop, process 4711", "p", BEGAN + 190, (name,)) if phase is Phase.WAITING else None
    variants = three(worst, name=name) if variants is None else variants
    known = WorkloadStatus(
        name,
        tuple(one.status for one in variants),
        str(decision or ""),
        sentence or (worst.comparison.sentence if worst else ""),
        (),
        step,
        Holder("ada@laptop, process 4711", BEGAN - 5, BEGAN + 190),
        gate,
        forecast=worst.forecast if worst else None,
    )
    return WorkloadOverview(
        replace(known, **status),  # type: ignore[arg-type]
        phase,
        headline or _headline(worst),
        waiting_for,
        0.05,
        BEGAN,
        worst.counts.looks[-1].at if worst and worst.counts.looks else None,
        variants,
        metrics,
        health,
        happenings,
        choices,
    )


def _headline(worst: MetricOverview | None) -> str:
    if worst is None or worst.comparison.difference is None:
        return "Nothing is compared yet"
    by = f"{abs(worst.comparison.difference) * 100:.1f} points"
    match worst.comparison.decision:
        case Decision.REJECT:
            return f"sampleapp:20 is worse than sampleapp:10 by {by}"
        case Decision.PROMOTE:
            return "sampleapp:20 is as good as sampleapp:10, within the tolerance"
        case _:
            return "No clear difference between sampleapp:20 and sampleapp:10 yet"


def overview(*workloads: WorkloadOverview, namespace: str = "shop") -> Overview:
    looks = [one.seen_at for one in workloads if one.seen_at]
    return Overview(namespace, max(looks, default=BEGAN) + 1, workloads)
