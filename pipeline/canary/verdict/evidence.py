"""Counts of one variant on one metric."""

from __future__ import annotations

import math
from dataclasses import dataclass

ROUNDING = 1e-9  # of counts that are fractions: requests within an objective that no bucket ends at


@dataclass(frozen=True)
class Evidence:
    """What one variant has shown on one metric, in one scrape or since its warm-up ended.

    Attributes:
        good: good requests.
        total: all requests.
    """

    good: float = 0.0
    total: float = 0.0

    def add(self, good: float, total: float) -> Evidence:
        """Return the evidence with more requests (`total` new ones, of which `good` were good)."""
        if not 0 <= good <= total < math.inf:
            raise ValueError(f"{good} good of {total} requests")
        return Evidence(self.good + good, self.total + total)

    def since(self, before: Evidence) -> Evidence:
        """Return what was counted since `before`: nothing where a count fell."""
        total = max(0.0, self.total - before.total)
        return Evidence(min(total, max(0.0, self.good - before.good)), total)

    @property
    def bad(self) -> float:
        """Return the number of requests that were not good, ≥ 0."""
        return max(0.0, self.total - self.good)

    @property
    def share(self) -> float | None:
        """Return the share of good requests in 0–1, None without requests."""
        return self.good / self.total if self.total else None


NOTHING = Evidence()


def number(value: float) -> float | int:
    """Return the value, as an integer if it is one: shorter, and exact."""
    return int(value) if float(value).is_integer() else value
