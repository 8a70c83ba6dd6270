"""Counts from Prometheus: the raw samples of every scrape of the pods.

The queries are ranges (`requests_total{…}[90s]`), not `rate()` or `increase()`, which extrapolate and would miss what
happened while the driver was restarted. A pod that two jobs scrape is counted once: for each process the series of one
job are used, never their sum. All queries of one read are evaluated at the same instant of Prometheus' own clock.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any, Protocol

from canary.errors import NotAnsweringError
from canary.metrics.streams import SILENCE, Streams
from canary.verdict.exposed_metrics import ExposedMetrics
from canary.verdict.measures import START, Measures, Sample
from canary.verdict.scrapes import Pod, Scrape
from canary.verdict.selector import Matcher, Selector

PODS_PER_QUERY = 50  # keeps a query shorter than what proxies accept
LONGEST_RANGE = 3600.0  # seconds
OVERLAP = 60.0  # seconds read again before `since`, as clocks differ; scrapes that were seen are not counted twice


class Queries(Protocol):
    """Prometheus' HTTP API."""

    def query(self, expression: str, at: float | None = None) -> Any:  # noqa: ANN401 - its shape follows the expression
        """Return `data.result` of an instant query, evaluated at `at` (Unix seconds) or now.

        Raises:
            NotAnsweringError: Prometheus does not answer, or is overloaded: ask again later.
            ClusterError: it does not accept the credentials.
            InputError: it rejects the query.
        """


class PrometheusSource:
    """Reads every scrape of the pods that Prometheus made since the last read.

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
        """Return the scrapes since then, oldest first. A pod whose counts are missing has one scrape without counters.

        Raises:
            ClusterError: Prometheus does not accept the credentials, or has never answered.
            InputError: it rejects the query.
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
        """Return what Prometheus has of the pods now: the names of all series, and the series that are measured.

        Raises:
            ClusterError: as for `read`, or if Prometheus does not answer.
        """
        exposed, at = ExposedMetrics(), float(self._queries.query("time()")[1])
        for first in range(0, len(pods), PODS_PER_QUERY):
            matchers = _matchers(pods[first : first + PODS_PER_QUERY])
            names = self._queries.query(f"group by (__name__) ({{{', '.join(map(str, matchers))}}})", at)
            samples = [
                (selector.name, series["metric"], float(series["value"][1]))
                for selector in dict.fromkeys(Selector(measured.name) for measured in self._measures.selectors())
                for series in self._queries.query(str(selector.narrowed(matchers)), at)
            ]
            exposed |= ExposedMetrics(frozenset(series["metric"]["__name__"] for series in names))
            exposed |= ExposedMetrics.of(samples, self._measures)
        return exposed

    def counters(self, pods: Sequence[Pod]) -> list[Sample]:
        """Return the counters of the pods that Prometheus has now, by their names' endings.

        Raises:
            ClusterError: as for `exposed`.
        """
        name = Matcher("__name__", "=~", ".+_(total|count)")
        matchers = ", ".join(map(str, (name, *_matchers(pods))))
        return [
            (series["metric"]["__name__"], series["metric"], float(series["value"][1]))
            for series in self._queries.query(f"{{{matchers}}}")
        ]

    def _read(self, pods: Sequence[Pod], since: float, at: float) -> list[Scrape]:
        seconds = round(min(max(at - since, 0) + OVERLAP, LONGEST_RANGE))
        by_name = {(pod.namespace, pod.name): pod for pod in pods}
        matchers = _matchers(pods)
        # The order matters: `up` first, then the counters of all requests, then the rest; see `Streams.scrapes`.
        up = Selector("up")
        selectors = [up, *dict.fromkeys(part.selectors()[0] for part in self._parts.values())]
        selectors += dict.fromkeys(
            selector for part in self._parts.values() for selector in part.selectors() if selector not in selectors
        )
        selectors.append(Selector(START))
        processes: dict[Pod, dict[str, Streams]] = {pod: defaultdict(Streams) for pod in pods}
        for selector in selectors:
            for series in self._queries.query(f"{selector.narrowed(matchers)}[{seconds}s]", at):
                labels = series["metric"]
                pod = by_name.get((labels.get("namespace", ""), labels.get("pod", "")))
                if pod:
                    processes[pod][labels.get("container", "")].add(labels, series["values"])
        return [scrape for pod, of_pod in processes.items() for scrape in self._scrapes(pod, of_pod, at)]

    def _scrapes(self, pod: Pod, processes: Mapping[str, Streams], at: float) -> Iterator[Scrape]:
        seen: set[float] = set()
        for container, process in processes.items():
            succeeded: dict[float, list[Sample]] = {
                instant: [] for ups in process.ups() for instant, value in ups.items() if value == 1
            }
            seen.update(succeeded)
            for name, part in self._parts.items():
                # Scraped, but without any of the series: nothing was counted yet.
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
    """Return why the counts of a pod that was scraped at the instants `seen` are missing at `at`; empty if not."""
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


def _matchers(pods: Sequence[Pod]) -> tuple[Matcher, ...]:
    """Return the matchers for the series of these pods."""
    return (
        Matcher("namespace", "=~", _any(pod.namespace for pod in pods)),
        Matcher("pod", "=~", _any(pod.name for pod in pods)),
    )


def _any(values: Iterable[str]) -> str:
    """Return a regular expression that matches exactly these values."""
    return "|".join(re.escape(value).replace("\\-", "-") for value in sorted(set(values)))
