"""What each look said, by the rule: the points of a funnel."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from canary.chart.over_time import Kind, Point
from canary.verdict.comparison import Comparison, Decision
from canary.verdict.looks import Counts, Look
from canary.verdict.rule import compare_strata
from canary.verdict.strata import Strata
from canary.verdict.tolerance import Multiple


def point_of(at: float, comparison: Comparison, kind: Kind) -> Point:
    """Return what a comparison at a time says."""
    if kind == "ratio":
        return Point(at, comparison.ratio, *comparison.ratio_interval)
    return Point(at, comparison.difference, *comparison.interval)


@dataclass
class PointsSoFar:
    """The points of one metric of one workload, for a picture that is drawn again and again.

    It compares new looks only, and all of them again if the counts are those of another release or are judged by other
    parameters. Looks that are no longer among the counts, because there were too many, change nothing.
    """

    _parameters: Counts | None = None
    _strata: Strata = field(default_factory=lambda: Strata(None))
    _looks: dict[float, Look] = field(default_factory=dict)
    _compared: dict[float, tuple[Point, Decision]] = field(default_factory=dict)

    def of(self, counts: Counts) -> list[tuple[Point, Decision]]:
        """Return the points at the looks of these counts, oldest first, and what the rule decided at each."""
        if not self._goes_on(counts):
            self._strata, self._looks, self._compared = Strata(counts.tolerance), {}, {}
        self._parameters = replace(counts, looks=(), saved_until=None)
        last = max(self._looks, default=-math.inf)
        for look in counts.looks:
            if look.at > last:
                self._compare(counts, look)
        self._looks = {one.at: one for one in counts.looks}
        self._compared = {one.at: self._compared[one.at] for one in counts.looks if one.at in self._compared}
        return list(self._compared.values())

    def _goes_on(self, counts: Counts) -> bool:
        if self._parameters != replace(counts, looks=(), saved_until=None) or not self._looks:
            return False
        known = [look for look in counts.looks if look.at <= max(self._looks)]  # none: all are of a later release
        return bool(known) and all(look == self._looks.get(look.at) for look in known)

    def _compare(self, counts: Counts, look: Look) -> None:
        known = self._strata
        self._strata = known.add(look.baseline.since(known.baseline), look.canary.since(known.canary))
        found = compare_strata(
            self._strata,
            alpha=counts.alpha,
            comparisons=counts.comparisons,
            metric=counts.metric,
            workload=counts.workload,
        )
        if self._strata.scrapes:
            kind: Kind = "ratio" if isinstance(counts.tolerance, Multiple) else "difference"
            self._compared[look.at] = point_of(look.at, found, kind), found.decision
