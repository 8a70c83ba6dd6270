"""What was last seen of a process that counts, and what it has counted since: its counters fall when it starts anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from canary.marks import Variant
from canary.verdict.measures import Parts
from canary.verdict.scrapes import Scrape

ADJUSTED = 2.0  # seconds by which the start of one and the same process may seem to move
GONE = 1_000  # series of a process that are gone and may come back

Group = tuple[str, Variant]
"""The pods that are counted together: workload and variant."""


@dataclass(frozen=True)
class Process:
    """The last that was seen of a process.

    Attributes:
        group: whose process it is.
        at: Unix seconds.
        counters: by then.
        started: when it started, in Unix seconds; None where it does not tell.
        counting: whether its warm-up was over by then.
        parts: the counters of each series, those included that are gone by now; empty where they are not known one by
            one. They are not kept in the cluster: there may be many.
    """

    group: Group
    at: float
    counters: Mapping[str, float]
    started: float | None
    counting: bool
    parts: Parts = field(default_factory=dict)

    def gained(self, scrape: Scrape, counters: Mapping[str, float]) -> Mapping[str, float]:
        """Return what was counted since.

        Another start means that all counters began at zero again. Else each series is looked at by itself, as
        Prometheus does: one that fell began anew, and one that is gone has counted nothing. Where the series are not
        known one by one (a driver has just taken over), a counter that fell means another start, unless the process
        tells its own.
        """
        known = self.started is not None and scrape.started is not None
        if known and self._is_another(scrape):
            return counters
        if not self.parts.keys().isdisjoint(scrape.parts):
            gained: dict[str, float] = {}
            for key, part in scrape.parts.items():
                for name, value in _gained(self.parts.get(key, {}), part).items():
                    gained[name] = gained.get(name, 0.0) + value
            return gained
        if not known and _fell(self.counters, counters):
            return counters
        return {
            name: max(0.0, value - self.counters[name]) for name, value in counters.items() if name in self.counters
        }

    def parts_after(self, scrape: Scrape) -> Parts:
        """Return the series of a scrape, and those that it lacks: they may come back where they were."""
        if self._is_another(scrape) or self.parts.keys().isdisjoint(scrape.parts):
            return scrape.parts
        gone = [key for key in self.parts if key not in scrape.parts]
        return {**{key: self.parts[key] for key in gone[-GONE:]}, **scrape.parts}

    def _is_another(self, scrape: Scrape) -> bool:
        """Return whether another process was scraped, as far as both tell their start; clocks are adjusted at times."""
        return self.started is not None and scrape.started is not None and abs(scrape.started - self.started) > ADJUSTED


def _gained(before: Mapping[str, float], now: Mapping[str, float]) -> Mapping[str, float]:
    """Return what a series has counted; a new one begins at zero, as one that fell does."""
    if _fell(before, now):
        return now
    return {name: max(0.0, value - before.get(name, 0.0)) for name, value in now.items()}


def _fell(before: Mapping[str, float], now: Mapping[str, float]) -> bool:
    return any(value < before.get(name, 0.0) * (1 - 1e-9) for name, value in now.items())
