"""The last known counters of a process, and what it has counted since. Counters restart at zero with the process."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from canary.marks import Variant
from canary.verdict.measures import Parts
from canary.verdict.scrapes import Scrape

ADJUSTED = 2.0  # seconds by which the start time of the same process may seem to move
GONE = 1_000  # series of a process that have disappeared and may come back

Group = tuple[str, Variant]
"""The pods that are counted together: workload and variant."""


@dataclass(frozen=True)
class Process:
    """The last known state of a process.

    Attributes:
        group: the workload and variant of its pod.
        at: Unix seconds of the last scrape.
        counters: cumulative counts at that time.
        started: Unix seconds when it started; None if unknown.
        counting: whether its warm-up was over at that time.
        parts: the counters of each series, also of series that have disappeared; empty if they are not known one by
            one. They are not stored in the cluster, because there may be many.
    """

    group: Group
    at: float
    counters: Mapping[str, float]
    started: float | None
    counting: bool
    parts: Parts = field(default_factory=dict)

    def gained(self, scrape: Scrape, counters: Mapping[str, float]) -> Mapping[str, float]:
        """Return what was counted since then.

        If the process has restarted, all counters restarted at zero. Otherwise each series is handled by itself, as
        Prometheus does: a series that fell restarted at zero, and one that disappeared has counted nothing. If the
        series are not known one by one (a driver has just taken over), a counter that fell means a restart, unless the
        process exposes its start time.
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

    def until(self, scrape: Scrape) -> tuple[float, float]:
        """Return the seconds until a scrape in which its pod was certainly ready, and all seconds until then."""
        ready_at = scrape.pod.ready_at
        ready = 0.0 if ready_at is None else max(0.0, scrape.at - max(self.at, ready_at))
        return ready, scrape.at - self.at

    def parts_after(self, scrape: Scrape) -> Parts:
        """Return the series of a scrape and those that have disappeared: they may come back with their counts."""
        if self._is_another(scrape) or self.parts.keys().isdisjoint(scrape.parts):
            return scrape.parts
        gone = [key for key in self.parts if key not in scrape.parts]
        return {**{key: self.parts[key] for key in gone[-GONE:]}, **scrape.parts}

    def _is_another(self, scrape: Scrape) -> bool:
        """Return whether another process was scraped, if both start times are known. Clocks are adjusted at times."""
        return self.started is not None and scrape.started is not None and abs(scrape.started - self.started) > ADJUSTED


def _gained(before: Mapping[str, float], now: Mapping[str, float]) -> Mapping[str, float]:
    """Return what a series has counted. A new series starts at zero, and so does one that fell."""
    if _fell(before, now):
        return now
    return {name: max(0.0, value - before.get(name, 0.0)) for name, value in now.items()}


def _fell(before: Mapping[str, float], now: Mapping[str, float]) -> bool:
    return any(value < before.get(name, 0.0) * (1 - 1e-9) for name, value in now.items())
