"""Counts from Prometheus: every scrape that it made of the pods, raw.

Ranges are read (`requests_total{…}[90s]`), not `rate()` or `increase()`, which extrapolate and would lose what a
restarted driver did not look at. A pod that two jobs scrape is counted once: of each process one job's series are
taken, never their sum. All queries of one look are evaluated at the same instant of Prometheus' own clock.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any, Protocol

from canary.errors import NotAnsweringError
from canary.verdict.exposed_metrics import ExposedMetrics
from canary.verdict.measures import START, Measures, Sample
from canary.verdict.scrapes import Pod, Scrape
from canary.verdict.selector import Matcher, Selector

PODS_PER_QUERY = 50  # keeps a query shorter than what proxies accept
LONGEST_RANGE = 3600.0  # seconds
OVERLAP = 60.0  # seconds read again before `since`: clocks differ, and scrapes seen before are not counted twice
SILENCE = 60.0  # seconds without a scrape after which a pod counts as missing, or three scrape intervals if longer

SCRAPER = ("job", "instance", "endpoint", "service", "prometheus", "prometheus_replica", "replica", "cluster")
Stream = tuple[str, ...]
"""Who scraped: the values of the labels in `SCRAPER`."""


class Queries(Protocol):
    """Prometheus' HTTP API."""

    def query(self, expression: str, at: float | None = None) -> Any:  # noqa: ANN401 - its shape follows the expression
        """Return `data.result` of an instant query, evaluated at `at` (Unix seconds) or now.

        Raises:
            NotAnsweringError: Prometheus does not answer, or is overloaded: ask again later.
            ClusterError: it does not accept the credentials.
            InputError: it does not understand the query.
        """


@dataclass
class _Process:
    """What one container of a pod counted: samples by who scraped them and when."""

    streams: dict[Stream, dict[float, dict[frozenset[tuple[str, str]], Sample]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )

    def add(self, labels: Mapping[str, str], values: Iterable[tuple[float, str]]) -> None:
        stream = self.streams[tuple(labels.get(name, "") for name in SCRAPER)]
        name, series = labels["__name__"], frozenset(labels.items())  # two selectors may give the same series
        for at, value in values:
            stream[float(at)][series] = name, labels, float(value)

    def ups(self) -> list[dict[float, float]]:
        """Return, for each who scrapes, whether each of its scrapes succeeded (1 or 0), by instant."""
        found = [
            {at: value for at, samples in instants.items() for name, _, value in samples.values() if name == "up"}
            for instants in self.streams.values()
        ]
        return [ups for ups in found if ups]

    def scrapes(self, grid: Selector) -> dict[float, list[Sample]]:
        """Return the samples of each scrape of one stream: the first one that is not long behind the others.

        Only instants with a sample of `grid` are returned, and successful scrapes before it first appeared. `grid` was
        queried before its parts: by then all samples of the same scrape were stored, so that a good counter that is
        absent there is one that the process has not created yet.
        """
        chosen: dict[Stream, dict[float, list[Sample]]] = {}
        for stream, instants in self.streams.items():
            read = {at: list(samples.values()) for at, samples in instants.items()}
            counted = [at for at, samples in read.items() if any(grid.matches(one[0], one[1]) for one in samples)]
            early = [at for at, samples in read.items() if at < min(counted, default=0.0) and _succeeded(samples)]
            if counted:
                chosen[stream] = {at: read[at] for at in sorted(early + counted)}
        newest = max((max(instants) for instants in chosen.values()), default=0.0)
        return next((chosen[one] for one in sorted(chosen) if max(chosen[one]) >= newest - SILENCE), {})


def _succeeded(samples: Iterable[Sample]) -> bool:
    return any(name == "up" and value == 1 for name, _, value in samples)


class PrometheusSource:
    """Reads every scrape that Prometheus made of the pods since the last look.

    The series must carry the labels `namespace` and `pod`, as those of a ServiceMonitor or PodMonitor do.
    """

    def __init__(self, queries: Queries, measures: Measures) -> None:
        """Read what `measures` counts through `queries`."""
        self._queries = queries
        self._measures = measures
        self._answered = False
        self._parts = {metric.name: Measures((metric,)) for metric in measures.metrics}
        if measures.histogram:
            self._parts["histogram"] = Measures((), measures.histogram)

    def read(self, pods: Sequence[Pod], since: float) -> list[Scrape]:
        """Return the scrapes made since then, oldest first, and one without counters for each pod that is missing.

        Raises:
            ClusterError: Prometheus does not accept the credentials, or has not answered even once.
            InputError: it does not understand the query.
        """
        scrapes: list[Scrape] = []
        try:
            at = float(self._queries.query("time()")[1])
            for first in range(0, len(pods), PODS_PER_QUERY):
                scrapes += self._read(pods[first : first + PODS_PER_QUERY], since, at)
        except NotAnsweringError as error:
            if not self._answered:
                raise
            return [Scrape(pod, since, None, problem=str(error)) for pod in pods]
        self._answered = True
        return sorted(scrapes, key=lambda scrape: scrape.at)

    def exposed(self, pods: Sequence[Pod]) -> ExposedMetrics:
        """Return what Prometheus has of the pods now: their names, and the series of what is measured.

        Raises:
            ClusterError: as for `read`, and where it does not answer.
        """
        found, at = ExposedMetrics(), float(self._queries.query("time()")[1])
        for first in range(0, len(pods), PODS_PER_QUERY):
            where = _of_pods(pods[first : first + PODS_PER_QUERY])
            every = ", ".join(map(str, where))
            names = self._queries.query(f"group by (__name__) ({{{every}}})", at)
            samples = [
                (selector.name, series["metric"], float(series["value"][1]))
                for selector in dict.fromkeys(Selector(one.name) for one in self._measures.selectors())
                for series in self._queries.query(str(selector.narrowed(where)), at)
            ]
            there = ExposedMetrics(frozenset(series["metric"]["__name__"] for series in names))
            found |= there | ExposedMetrics.of(samples, self._measures)
        return found

    def _read(self, pods: Sequence[Pod], since: float, at: float) -> list[Scrape]:
        seconds = round(min(max(at - since, 0) + OVERLAP, LONGEST_RANGE))
        by_name = {(pod.namespace, pod.name): pod for pod in pods}
        where = _of_pods(pods)
        # The order matters: `up` first, then the counters of all requests, then the rest; see `_Process.scrapes`.
        up = Selector("up")
        selectors = [up, *dict.fromkeys(one for part in self._parts.values() for one in part.selectors()[:1])]
        selectors += dict.fromkeys(
            one for part in self._parts.values() for one in part.selectors() if one not in selectors
        )
        selectors.append(Selector(START))
        found: dict[Pod, dict[str, _Process]] = {pod: defaultdict(_Process) for pod in pods}
        for selector in selectors:
            for series in self._queries.query(f"{selector.narrowed(where)}[{seconds}s]", at):
                labels = series["metric"]
                pod = by_name.get((labels.get("namespace", ""), labels.get("pod", "")))
                if pod:
                    found[pod][labels.get("container", "")].add(labels, series["values"])
        return [scrape for pod, processes in found.items() for scrape in self._of_pod(pod, processes, at)]

    def _of_pod(self, pod: Pod, processes: Mapping[str, _Process], at: float) -> Iterator[Scrape]:
        seen: set[float] = set()
        for container, process in processes.items():
            succeeded: dict[float, list[Sample]] = {
                instant: [] for ups in process.ups() for instant, value in ups.items() if value == 1
            }
            seen.update(succeeded)
            for name, part in self._parts.items():
                # Scraped, and none of the series there: nothing was counted yet.
                scrapes = process.scrapes(part.selectors()[0]) or succeeded
                seen.update(scrapes)
                for instant, samples in scrapes.items():
                    started = next((value for metric, _, value in samples if metric == START), None)
                    counted, of = part.parts(samples), f"{container}/{name}"
                    yield Scrape(pod, instant, part.count(counted), process=of, started=started, parts=counted)
        latest = [ups[max(ups)] for process in processes.values() for ups in process.ups()]
        problem = _problem(sorted(seen), at, failing=bool(latest) and not any(latest))
        if problem:
            yield Scrape(pod, at, None, problem=problem)


def _problem(seen: Sequence[float], at: float, *, failing: bool) -> str:
    """Return why a pod that was scraped at the instants `seen` counts as missing at `at`, empty if it does not."""
    if failing:
        return "Prometheus cannot scrape it: its `up` is 0"
    if not seen:
        return (
            "Prometheus has no series with its `namespace` and `pod`: does a ServiceMonitor or a scrape job cover it?"
        )
    interval = median(later - earlier for earlier, later in pairwise(seen)) if len(seen) > 1 else 0.0
    if at - seen[-1] > max(SILENCE, 3 * interval):
        return f"Prometheus has not scraped it for {at - seen[-1]:.0f} s"
    return ""


def _of_pods(pods: Sequence[Pod]) -> tuple[Matcher, ...]:
    """Return the conditions that the series of these pods meet."""
    return (
        Matcher("namespace", "=~", _any(pod.namespace for pod in pods)),
        Matcher("pod", "=~", _any(pod.name for pod in pods)),
    )


def _any(values: Iterable[str]) -> str:
    """Return a regular expression that matches each of the values and nothing else."""
    return "|".join(re.escape(value).replace("\\-", "-") for value in sorted(set(values)))
