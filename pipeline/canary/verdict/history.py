"""How the evidence grew, with few points: enough to draw a chart of a release, and to replay its verdict.

A point has the cumulative evidence of every variant at one look, so that any two points can be compared. Stable's
decides nothing: it is there to be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary.marks import COMPARED, Variant
from canary.verdict.evidence import NOTHING, Evidence, number
from canary.verdict.looks import Look
from canary.verdict.strata import Strata
from canary.verdict.tolerance import Tolerance

POINTS = 256
"""Maximum number of points."""

BYTES = 64 * 1024
"""Maximum size of a history in bytes of JSON, without stable, which adds half as much at most."""

_POINT, _SERIES = 20, 48
"""Maximum bytes of a point, and of each series in it."""

Series = tuple[Variant, str]
"""A variant and the name of a metric."""


@dataclass(frozen=True)
class Point:
    """The evidence at one look.

    Attributes:
        at: Unix seconds.
        evidence: by variant and metric; stable is missing where nothing is known of it.
    """

    at: float
    evidence: Mapping[Series, Evidence]

    @property
    def compared(self) -> dict[Series, Evidence]:
        """Return the evidence of canary and baseline."""
        return _compared(self.evidence)


@dataclass(frozen=True)
class History:
    """Points of one workload, oldest first.

    Attributes:
        points: the first and the last look are always among them.
    """

    points: tuple[Point, ...] = ()

    def add(self, at: float, evidence: Mapping[Series, Evidence], before: float | None = None) -> History:
        """Return the history with one more look. Points are removed where there are too many.

        A look without new counts of canary or baseline adds nothing. The next look with new counts also adds the end of
        the quiet time.

        Args:
            at: Unix seconds. A look that is not later than the last point adds nothing.
            evidence: by variant and metric.
            before: Unix seconds of the previous look, None if it saw nothing or there was none.
        """
        compared = _compared(evidence)
        last = self.points[-1] if self.points else None
        if not compared or (last and (last.compared == compared or at <= last.at)):
            return self
        quiet = [Point(before, last.compared)] if last and before is not None and last.at < before < at else []
        points = [*self.points, *quiet, Point(at, dict(evidence))]
        series = len({key for point in points for key in point.compared})
        most = max(2, min(POINTS, BYTES // (_POINT + _SERIES * series)))
        while len(points) > most:
            inner = range(1, len(points) - 1)
            del points[min(inner, key=lambda n: points[n + 1].at - points[n - 1].at)]
        return History(tuple(points))

    def strata(self, metric: str, tolerance: Tolerance | None) -> Strata:
        """Return what the points show on a metric, each point compared as one scrape.

        It is what a release goes on with when its tolerance changes: the evidence about the former one is of no use.
        """
        strata, before = Strata(tolerance), {variant: Evidence() for variant in COMPARED}
        for point in self.points:
            now = {variant: point.evidence.get((variant, metric), before[variant]) for variant in COMPARED}
            strata, before = strata.add(*(now[one].since(before[one]) for one in COMPARED)), now
        return strata

    def looks(self, metric: str) -> tuple[Look, ...]:
        """Return the points that show a metric, as looks."""
        baseline, canary, stable = ((one, metric) for one in (Variant.BASELINE, Variant.CANARY, Variant.STABLE))
        return tuple(
            Look(
                one.at,
                one.evidence.get(baseline, NOTHING),
                one.evidence.get(canary, NOTHING),
                one.evidence.get(stable),
            )
            for one in self.points
            if baseline in one.evidence or canary in one.evidence
        )

    def as_json(self) -> dict[str, Any]:
        """Return the history as `from_json` reads it. Where nothing is known of stable, it has no requests."""
        series = sorted({key for point in self.points for key in point.evidence})
        return {
            "series": [list(key) for key in series],
            "points": [
                [round(point.at, 3), *(_numbers(point.evidence.get(key, Evidence())) for key in series)]
                for point in self.points
            ],
        }

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> History:
        """Return the history from the JSON of `as_json`.

        Raises:
            KeyError, TypeError, ValueError: the JSON is something else.
        """
        series = [(Variant(variant), str(metric)) for variant, metric in read["series"]]
        return cls(
            tuple(
                Point(
                    float(at),
                    {
                        key: Evidence(float(good), float(total))
                        for key, (good, total) in zip(series, values, strict=True)
                        if total or key[0] is not Variant.STABLE
                    },
                )
                for at, *values in read["points"]
            )
        )


def _compared(evidence: Mapping[Series, Evidence]) -> dict[Series, Evidence]:
    return {key: one for key, one in evidence.items() if key[0] is not Variant.STABLE}


def _numbers(one: Evidence) -> list[float | int]:
    return [number(one.good), number(one.total)]
