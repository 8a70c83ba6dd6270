"""Reports of releases that never were: every kind of outcome, and any text in place of what comes from outside."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from canary.errors import ExitCode
from canary.events import Decided, Deployed, Event, Judged, Looked, Note, Ready, Rejected, Started, VariantState
from canary.marks import Variant
from canary.report.collector import Collector
from canary.report.report import Context, Report
from canary.verdict.comparison import Verdict
from canary.verdict.evidence import Evidence
from canary.verdict.rule import combine, compare, compare_strata
from canary.verdict.strata import Strata
from canary.verdict.tolerance import Tolerance

BEGAN = 1_800_000_000.0
SETTINGS = {
    "tolerance": {"value": 0.05, "source": "--tolerance"},
    "images": {"value": ["app:2"], "source": "--image"},
    "interval": {"value": 5.0, "source": "canary.yml:3"},
    "alpha": {"value": 0.05, "source": "default"},
    "min-duration": {"value": 300.0, "source": "default"},
    "prometheus": {"value": None, "source": "default"},
}


@dataclass
class MadeUp:
    """A release whose canary answers so many requests well; the baseline answers 97 of 100 well.

    Attributes:
        good: share of good answers of each canary, by workload and metric.
        tolerance: of each metric.
    """

    good: Mapping[tuple[str, str], float] = field(default_factory=lambda: {("app", "success"): 0.97})
    tolerance: Tolerance = 0.05
    command: str = "release"
    images: tuple[str, ...] = ("app:2",)
    now: float = BEGAN
    settings: Mapping[str, Any] = field(default_factory=lambda: SETTINGS)
    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        self._random = random.Random(7)
        self._strata = {key: Strata(self.tolerance) for key in self.good}
        self.listen = Collector(lambda: self.now)
        self.tell(Started(self.command, self.workloads, "shop", self.images))

    @property
    def workloads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(workload for workload, _ in self.good))

    def tell(self, *events: Event, after: float = 0.0) -> None:
        self.now += after
        for event in events:
            self.listen(event)

    def deploy(self) -> None:
        for name in self.workloads:
            self.tell(Ready(f"{name}-canary", 2, 5.8), Deployed(name, self.images), after=6)

    def look(self, times: int, *, interval: float = 5.0, requests: int = 40) -> Verdict:
        """Look so many times, and return the last verdict."""
        for _ in range(times):
            self.now += interval
            for key, share in self.good.items():
                baseline, canary = (
                    Evidence(sum(self._random.random() < good for _ in range(requests)), requests)
                    for good in (0.97, share)
                )
                self._strata[key] = self._strata[key].add(baseline, canary)
            self.verdict = combine(
                [
                    compare_strata(strata, alpha=0.05, comparisons=len(self.good), metric=metric, workload=workload)
                    for (workload, metric), strata in self._strata.items()
                ]
            )
            self.tell(Looked(self.now, self.now - BEGAN, tuple(self._states()), self.verdict))
        assert self.verdict is not None
        return self.verdict

    def _states(self) -> list[VariantState]:
        states = []
        for name in self.workloads:
            strata = next(one for key, one in self._strata.items() if key[0] == name)
            digests = {Variant.CANARY: "b" * 64}
            for variant, counted in (
                (Variant.STABLE, strata.baseline),
                (Variant.BASELINE, strata.baseline),
                (Variant.CANARY, strata.canary),
            ):
                image = "registry.example/app:2" if variant is Variant.CANARY else "registry.example/app:1"
                digest = f"registry.example/app@sha256:{digests.get(variant, 'a' * 64)}"
                states.append(
                    VariantState(variant, name, 2, 2, counted.good, counted.total, images=(image,), image_ids=(digest,))
                )
        return states

    def report(self, code: int = ExitCode.DONE, error: str = "", *, next_: Sequence[str] = (), **more: Any) -> Report:
        context = Context(
            "1.0", self.command, "shop", self.workloads, code, error, self.settings, next=tuple(next_), **more
        )
        return self.listen.report(context)


def of_texts(anything: str, evidence: str = "") -> Report:
    """Return a report in which everything from outside is this text."""
    listen = Collector(lambda: BEGAN)
    verdict = combine(
        [
            compare(Evidence(90, 100), Evidence(good, 100), tolerance=0.05, metric=anything, workload=workload)
            for workload, good in ((anything, 40), (f"{anything}2", 90))
        ]
    )
    state = VariantState(Variant.CANARY, anything, 1, 1, 90, 100, images=(anything, anything), image_ids=(anything,))
    listen(Started("reject", (anything,), "shop", (anything,)))
    listen(Looked(BEGAN, 0, (state,), verdict))
    listen(Looked(BEGAN + 5, 5, (state,), verdict))
    listen(Judged(verdict))
    listen(Note(anything, warning=True))
    listen(Decided(promote=False, by=anything, reason=anything))
    listen(Rejected(anything, anything, (anything,), evidence or anything))
    settings = {"good": {"value": anything, "source": anything}, anything: {"value": [anything], "source": "default"}}
    context = Context(
        anything,
        "reject",
        anything,
        (anything,),
        ExitCode.CLUSTER,
        anything,
        settings,
        next=(f"{anything}: canary {anything}",),
    )
    return listen.report(context)
