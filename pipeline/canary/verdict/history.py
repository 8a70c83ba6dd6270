"""How the evidence grew, thinned: enough to draw a picture of a release, and to replay its verdict.

A point holds the evidence of canary and baseline at one look, cumulative, so that any two points can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary.marks import Variant
from canary.verdict.rule import Evidence

POINTS = 256
"""Points that are kept at most."""

BYTES = 64 * 1024
"""Bytes of JSON that a history takes at most."""

_POINT, _SERIES = 20, 72
"""Bytes that a point, and each series of it, takes at most."""

Series = tuple[Variant, str]
"""What is compared: a variant, and a metric's name."""


@dataclass(frozen=True)
class Point:
    """What was counted until one look.

    Attributes:
        at: Unix seconds.
        evidence: of canary and baseline, by variant and metric.
    """

    at: float
    evidence: Mapping[Series, Evidence]


@dataclass(frozen=True)
class History:
    """Points of one workload, oldest first.

    Attributes:
        points: the first and the last look are always among them.
    """

    points: tuple[Point, ...] = ()

    def add(self, at: float, evidence: Mapping[Series, Evidence], before: float | None = None) -> History:
        """Return the history with one more look, thinned.

        A look at which nothing new was counted adds nothing until something is: then the end of the quiet time is
        added with it.

        Args:
            at: Unix seconds. A look that is not later than the last point adds nothing.
            evidence: by variant and metric; stable is left out, as nothing is decided by it.
            before: Unix seconds of the look before, None where that saw nothing or there was none.
        """
        shown = {key: one for key, one in evidence.items() if key[0] is not Variant.STABLE}
        last = self.points[-1] if self.points else None
        if not shown or (last and (last.evidence == shown or at <= last.at)):
            return self
        quiet = [Point(before, last.evidence)] if last and before is not None and last.at < before < at else []
        points = [*self.points, *quiet, Point(at, shown)]
        series = len({key for point in points for key in point.evidence})
        most = max(2, min(POINTS, BYTES // (_POINT + _SERIES * series)))
        while len(points) > most:
            inner = range(1, len(points) - 1)
            del points[min(inner, key=lambda n: points[n + 1].at - points[n - 1].at)]
        return History(tuple(points))

    def as_json(self) -> dict[str, Any]:
        """Return the history as `from_json` reads it."""
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
        """Return what `as_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        series = [(Variant(variant), str(metric)) for variant, metric in read["series"]]
        return cls(
            tuple(
                Point(
                    float(at),
                    {
                        key: Evidence(float(good), float(total), int(scrapes), float(spread))
                        for key, (good, total, scrapes, spread) in zip(series, values, strict=True)
                    },
                )
                for at, *values in read["points"]
            )
        )


def number(value: float) -> float | int:
    """Return the value, as an integer where it is one: shorter, and exact."""
    return int(value) if float(value).is_integer() else value


def _numbers(one: Evidence) -> list[float | int]:
    return [number(one.good), number(one.total), one.scrapes, number(one.spread)]
