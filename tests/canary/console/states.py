"""Each state that the console shows, as a made-up overview, also those that are rare in a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from canary.errors import UnreachableError
from canary.marks import Variant
from canary.release.overview import (
    Happening,
    Health,
    MetricOverview,
    Overview,
    Phase,
)
from canary.release.status import PossibleRollback, Traffic
from canary.times import timestamp
from canary.variants.steps import Step
from canary.verdict.tolerance import Multiple
from tests.canary.console.overviews import (
    AGAINST,
    BEGAN,
    COMMAND,
    HAPPENINGS,
    HEALTHY,
    PROMOTE,
    REJECT,
    WATCH,
    metric,
    overview,
    three,
    variant,
    workload,
)


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


def _by_route() -> Overview:
    one = metric(canary=0.91, looks=14, each=20)
    divided = Traffic("shop", 0.005, None)
    return overview(workload(one, phase=Phase.COMPARING, step=Step(0.5, (0.5, 5, 50)), traffic=divided))


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
    quiet = "No requests have come to canary and baseline for 30 s."
    headline = "No requests yet, so nothing can be compared"
    return _comparing(metric(looks=6, each=0), headline, Health("requests", is_problem=True, text=quiet))


def _silent_canary() -> Overview:
    uneven = "Of canary and baseline, only the baseline gets requests (1,200)."
    headline = "The canary gets no requests"
    return _comparing(metric(looks=30, silent=True), headline, Health("traffic", is_problem=True, text=uneven))


def _comparing(one: MetricOverview, headline: str, problem: Health) -> Overview:
    health, choices = (problem, *HEALTHY), (COMMAND, REJECT)
    return overview(workload(one, phase=Phase.COMPARING, headline=headline, health=health, choices=choices))


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
    "by-route": _by_route,
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
