"""Made-up overviews of releases: each state that a console shows, also those that are rare in a cluster.

The counts are invented; the rule judges them as it judges those of a cluster.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from canary.errors import CanaryError, UnreachableError
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
from canary.release.status import PossibleRollback, VariantStatus, WorkloadStatus
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
from canary.verdict.tolerance import Multiple, Tolerance

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
    Health("traffic", is_problem=False, text="Traffic is even between canary and baseline."),
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


@dataclass
class FakeDesk:
    """A desk with a made-up overview.

    Attributes:
        shown: what it shows.
        acts: what was pressed.
        problem: raised in place of an overview.
        refusal: raised by each button.
        released: overviews wait for it, if there is one.
        done: buttons wait for it, if there is one.
    """

    shown: Overview
    acts: list[tuple[str, Action, str, str, str]] = field(default_factory=list)
    problem: Exception | None = None
    refusal: CanaryError | None = None
    released: threading.Event | None = None
    done: threading.Event | None = None

    def hold(self) -> threading.Event:
        """Let overviews wait until the event is set."""
        self.released = threading.Event()
        return self.released

    def overview(self) -> Overview:
        if self.released:
            self.released.wait(30)
        if self.problem:
            raise self.problem
        return self.shown

    def act(self, workload: str, action: Action, *, by: str, typed: str, reason: str) -> str:
        if self.done:
            self.done.wait(30)
        if self.refusal:
            raise self.refusal
        self.acts.append((workload, action, by, typed, reason))
        return f"{by} pressed {action}"


def _waiting_to_promote() -> Overview:
    return overview(workload(metric(canary=0.91, looks=60), choices=(PROMOTE, REJECT, WATCH)))


def _waiting_to_reject() -> Overview:
    return overview(workload(metric(canary=0.78), choices=(AGAINST, REJECT, WATCH)))


def _undecided() -> Overview:
    one = metric(canary=0.88, looks=12, each=20)
    return overview(
        workload(
            one,
            phase=Phase.COMPARING,
            step=Step(10, (10, 25, 50)),
            choices=(COMMAND, replace(REJECT, why_not="ada@laptop works on it")),
        )
    )


def _decided_early() -> Overview:
    one = metric(canary=0.91, looks=14, each=20)
    return overview(
        workload(
            one,
            phase=Phase.COMPARING,
            step=Step(25, (10, 25, 50)),
            waiting_for="at least 5 min of comparing: 3 min 50 s left",
            choices=(COMMAND, replace(REJECT, why_not="ada@laptop works on it")),
        )
    )


def _left() -> Overview:
    return overview(workload(metric(canary=0.91, looks=60), phase=Phase.LEFT, choices=(COMMAND, REJECT)))


def _starting() -> Overview:
    variants = (
        variant(Variant.CANARY, "sampleapp:20", 2, ready=0, reason="ImagePullBackOff: sampleapp:20"),
        variant(Variant.BASELINE, "sampleapp:10", 2, ready=1),
        variant(Variant.STABLE, "sampleapp:10", 4),
    )
    return overview(
        workload(
            phase=Phase.STARTING,
            headline="Canary and baseline are starting",
            variants=variants,
            health=HEALTHY[2:],
            happenings=HAPPENINGS[-1:],
            choices=(replace(PROMOTE, why_not="the canary's pods are not ready"), REJECT),
        )
    )


def _first_release() -> Overview:
    return overview(
        workload(
            phase=Phase.WAITING,
            headline="First release: there is nothing to compare",
            variants=(variant(Variant.CANARY, "sampleapp:20", 4),),
            health=HEALTHY[2:],
            choices=(replace(PROMOTE, consequence="create sampleapp with 4 pods of sampleapp:20"), REJECT),
        )
    )


def _no_requests() -> Overview:
    one = metric(looks=6, each=0)
    quiet = Health("requests", is_problem=True, text="No requests come to canary and baseline since 30 s.")
    return overview(
        workload(
            one,
            phase=Phase.COMPARING,
            headline="No requests yet, so nothing can be compared",
            health=(quiet, *HEALTHY),
            choices=(COMMAND, REJECT),
        )
    )


def _silent_canary() -> Overview:
    one = metric(looks=30, silent=True)
    uneven = Health("traffic", is_problem=True, text="Of canary and baseline, only the baseline gets requests (1,200).")
    return overview(
        workload(
            one,
            phase=Phase.COMPARING,
            headline="The canary gets no requests",
            health=(uneven, *HEALTHY),
            choices=(COMMAND, REJECT),
        )
    )


def _idle() -> Overview:
    was = PossibleRollback(("sampleapp:10",), timestamp(BEGAN), "canary rollback sampleapp -n shop")
    return overview(
        workload(
            phase=Phase.IDLE,
            headline="sampleapp:20 is stable",
            variants=(variant(Variant.STABLE, "sampleapp:20", 4),),
            health=(),
            happenings=(Happening(BEGAN + 200, "promoted sampleapp: it now runs sampleapp:20"), *HAPPENINGS),
            next=("try a new version next to stable: canary release manifests/ --image IMAGE:TAG -n shop",),
            rollback=was,
            driver=None,
        )
    )


def _after_reject() -> Overview:
    return overview(
        workload(
            phase=Phase.IDLE,
            headline="sampleapp:10 is stable",
            variants=(variant(Variant.STABLE, "sampleapp:10", 4),),
            health=(),
            happenings=(
                Happening(
                    BEGAN + 200, "rejected sampleapp by ada (verdict: REJECT, 12.0 points worse)", is_warning=True
                ),
                *HAPPENINGS,
            ),
            next=("try a new version next to stable: canary release manifests/ --image IMAGE:TAG -n shop",),
            driver=None,
        )
    )


def _promoting() -> Overview:
    one = metric(canary=0.91, looks=60)
    variants = (
        variant(Variant.CANARY, "sampleapp:20", 1, metric=one),
        variant(Variant.BASELINE, "sampleapp:10", 1, metric=one),
        variant(Variant.STABLE, "sampleapp:20", 5, ready=3, metric=one, reason="3 of 5 pods ready"),
    )
    return overview(
        workload(one, phase=Phase.PROMOTING, headline="sampleapp:20 is being rolled out to stable", variants=variants)
    )


def _ten_metrics() -> Overview:
    metrics = [
        metric(f"latency-of-endpoint-{n}", canary=0.9 - 0.02 * (n == 1), objective=0.25, comparisons=10, looks=30 + n)
        for n in range(1, 10)
    ]
    worst = metric("success", canary=0.8, comparisons=10)
    return overview(workload(worst, *metrics, choices=(AGAINST, REJECT, WATCH), step=Step(50, (10, 25, 50, 100))))


def _several_workloads() -> Overview:
    bad = workload(
        metric(canary=0.78, workload="cart"), name="cart", choices=(replace(AGAINST, confirm="cart"), REJECT)
    )
    good = workload(metric(canary=0.91, looks=60, workload="checkout"), name="checkout", choices=(PROMOTE, REJECT))
    open_ = workload(
        metric("success", looks=12, each=20, workload="recommendations"),
        metric("latency", looks=12, each=20, workload="recommendations", objective=0.1),
        name="recommendations",
        phase=Phase.COMPARING,
        choices=(COMMAND, REJECT),
    )
    return overview(bad, open_, good)


def _long_names() -> Overview:
    name = "recommendations-for-returning-customers-europe-west"
    image = f"registry.example.com:5000/a-team/with-a-long-name/{name}:2026-11-27-build-4711@sha256:{'ab' * 32}"
    one = metric(canary=0.78, workload=name)
    return overview(
        workload(
            one,
            name=name,
            variants=three(one, name=name, canary=image),
            choices=(replace(AGAINST, confirm=name, consequence=f"replace 4 stable pods with {image}"), REJECT, WATCH),
        ),
        namespace="a-namespace-with-a-name-of-sixty-three-characters-as-allowed-k8",
    )


def _millions() -> Overview:
    one = metric(canary=0.99951, baseline=0.9995, looks=250, each=40_000, tolerance=0.001)
    return overview(workload(one, choices=(PROMOTE, REJECT, WATCH)))


def _twenty_pods() -> Overview:
    one = metric(canary=0.91, looks=60)
    broken = variant(
        Variant.CANARY, "sampleapp:20", 20, ready=17, metric=one, reason="container app exited with 1", restarts=3
    )
    others = (
        variant(Variant.BASELINE, "sampleapp:10", 20, metric=one),
        variant(Variant.STABLE, "sampleapp:10", 80, metric=one),
    )
    return overview(workload(one, variants=(broken, *others), choices=(PROMOTE, REJECT, WATCH)))


def _ratio() -> Overview:
    one = metric(canary=0.97, baseline=0.985, looks=80, each=80, tolerance=Multiple(1.5))
    return overview(workload(one, choices=(AGAINST, REJECT, WATCH)))


def _markup() -> Overview:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    one = metric(workload=evil)
    return overview(
        workload(
            one,
            name=evil,
            headline=evil,
            sentence=evil,
            variants=three(one, name=evil, canary=evil),
            happenings=(Happening(BEGAN, evil),),
            choices=(replace(AGAINST, confirm=evil, consequence=evil, warning=evil),),
            health=(Health("lock", is_problem=True, text=evil),),
        ),
        namespace=evil,
    )


STATES: dict[str, Callable[[], Overview]] = {
    "promote": _waiting_to_promote,
    "reject": _waiting_to_reject,
    "undecided": _undecided,
    "decided-early": _decided_early,
    "left": _left,
    "starting": _starting,
    "first-release": _first_release,
    "no-requests": _no_requests,
    "silent-canary": _silent_canary,
    "after-promote": _idle,
    "after-reject": _after_reject,
    "promoting": _promoting,
    "ten-metrics": _ten_metrics,
    "several-workloads": _several_workloads,
    "long-names": _long_names,
    "million-requests": _millions,
    "twenty-pods": _twenty_pods,
    "errors-by-ratio": _ratio,
    "markup": _markup,
    "no-release": overview,
}
"""Each state by its name."""

GONE = UnreachableError("the API server of https://127.0.0.1:6443 does not answer: connection refused; is it running?")
