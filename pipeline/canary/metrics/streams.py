"""The samples of one container from Prometheus, told apart by who scraped it.

A pod that two jobs scrape is counted once: for each process the series of one job are used, never their sum.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from canary.verdict.measures import Sample
from canary.verdict.selector import Selector

SILENCE = 60.0  # seconds without a scrape after which a pod counts as missing, or three scrape intervals if longer

SCRAPER = ("job", "instance", "endpoint", "service", "prometheus", "prometheus_replica", "replica", "cluster")
Stream = tuple[str, ...]
"""The scraper of a series: the values of the labels in `SCRAPER`."""


@dataclass
class Streams:
    """What one container of a pod counted.

    Attributes:
        streams: samples by their scraper and time, each with the series that it is of.
    """

    streams: dict[Stream, dict[float, dict[frozenset[tuple[str, str]], Sample]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )

    def add(self, labels: Mapping[str, str], values: Iterable[tuple[float, str | float]]) -> None:
        """Add a series: its labels, and its values by Unix seconds."""
        stream = self.streams[tuple(labels.get(name, "") for name in SCRAPER)]
        name, series = labels["__name__"], frozenset(labels.items())  # two selectors may match the same series
        for at, value in values:
            stream[float(at)][series] = name, labels, float(value)

    def ups(self) -> list[dict[float, float]]:
        """Return for each scraper whether each of its scrapes succeeded (1 or 0), by instant."""
        ups = [
            {at: value for at, samples in instants.items() for name, _, value in samples.values() if name == "up"}
            for instants in self.streams.values()
        ]
        return [by_instant for by_instant in ups if by_instant]

    def scrapes(self, grid: Selector) -> dict[float, list[Sample]]:
        """Return the samples of each scrape of one stream: the first stream that is not far behind the others.

        The instants are those with a sample of `grid`, and successful scrapes before it first appeared. `grid` was
        queried before its parts, when all samples of the same scrape were stored. So if a good counter is absent, the
        process has not created it yet.
        """
        chosen: dict[Stream, dict[float, list[Sample]]] = {}
        for stream, instants in self.streams.items():
            read = {at: list(samples.values()) for at, samples in instants.items()}
            counted = [
                at for at, samples in read.items() if any(grid.matches(name, labels) for name, labels, _ in samples)
            ]
            early = [at for at, samples in read.items() if at < min(counted, default=0.0) and _succeeded(samples)]
            if counted:
                chosen[stream] = {at: read[at] for at in sorted(early + counted)}
        newest = max((max(instants) for instants in chosen.values()), default=0.0)
        return next((chosen[stream] for stream in sorted(chosen) if max(chosen[stream]) >= newest - SILENCE), {})


def _succeeded(samples: Iterable[Sample]) -> bool:
    return any(name == "up" and value == 1 for name, _, value in samples)
