"""What is counted: metrics as pairs of counters (good requests, all requests), from the series of one process.

A latency objective is such a pair too: good requests are those answered within it. They are read from a histogram's
buckets and interpolated inside a bucket, as Prometheus' `histogram_quantile` does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from sys import intern

from canary.errors import InputError
from canary.verdict.selector import Selector
from canary.verdict.tolerance import REQUIREMENT, Tolerance, read_tolerance, tolerance_text

Sample = tuple[str, Mapping[str, str], float]
"""One sample of a series: its name, its labels and its value."""

Parts = Mapping[int, Mapping[str, float]]
"""The counters of each series, by a hash of its name and labels that is valid in this process."""

START = "process_start_time_seconds"
"""The metric in which most client libraries expose when the process started, in Unix seconds."""

METRIC_NAME = "[A-Za-z][-A-Za-z0-9_]*"
_QUOTED = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_PART = re.compile(rf"((?:\{{(?:{_QUOTED}|[^}}\"'])*\}}|[^,{{])+)(?:,|$)")


@dataclass(frozen=True)
class Metric:
    """A share of requests that canary and baseline are compared by. Build one with `share` or `latency`.

    Attributes:
        name: such as `success` or `latency`.
        total: the series that count all requests.
        good: the series that count good requests; the histogram's buckets for a latency objective.
        objective: seconds within which a request must be answered to be good, None for a share of counters.
        tolerance: how much worse the canary may be; None when it is not set, and then nothing is decided.
    """

    name: str
    total: Selector
    good: Selector
    objective: float | None = None
    tolerance: Tolerance | None = None

    @classmethod
    def share(cls, name: str, good: str, total: str, tolerance: Tolerance | None = None) -> Metric:
        """Return the metric for two selectors such as `requests_total{custom_status="good"}` and `requests_total`.

        Raises:
            InputError: a selector cannot be read.
        """
        return cls(name, Selector.parse(total), Selector.parse(good), tolerance=tolerance)

    @classmethod
    def parse(cls, text: str, tolerance: Tolerance | None = None) -> Metric:
        """Return the metric for `NAME=GOOD,TOTAL` or `NAME=GOOD,TOTAL,TOLERANCE`, GOOD and TOTAL being selectors.

        Args:
            text: commas inside braces belong to their selector.
            tolerance: the default, if the text has none.

        Raises:
            InputError: the text has another form.
        """
        name, _, rest = text.partition("=")
        parts = _parts(rest)
        if not re.fullmatch(METRIC_NAME, name, re.ASCII) or len(parts) not in (2, 3):
            raise InputError(
                f"{text!r} is not a metric: write NAME=GOOD,TOTAL or NAME=GOOD,TOTAL,TOLERANCE, such as "
                'checkout=orders_total{status="paid"},orders_total,0.01'
            )
        if len(parts) == 3:
            tolerance = _tolerance(name, parts[2])
        return cls.share(name, parts[0], parts[1], tolerance)

    @classmethod
    def latency(cls, name: str, histogram: str, objective: float, tolerance: Tolerance | None = None) -> Metric:
        """Return the metric for a histogram, named without `_bucket`, and an objective in seconds.

        Raises:
            InputError: the selector cannot be read.
        """
        selector = Selector.parse(histogram)
        return cls(name, _suffixed(selector, "_count"), _suffixed(selector, "_bucket"), objective, tolerance)

    @property
    def quality(self) -> str:
        """Return the words for a good request in a sentence: `good`, `within 250 ms`."""
        if self.objective is None:
            return "good"
        return f"within {self.objective * 1000:g} ms" if self.objective < 1 else f"within {self.objective:g} s"


@dataclass(frozen=True)
class Measures:
    """All that is counted in a release.

    Attributes:
        metrics: the metrics that the verdict compares.
        histogram: buckets of the request duration, for p50 and p99; None for none.
    """

    metrics: tuple[Metric, ...]
    histogram: Selector | None = None

    @classmethod
    def of(cls, metrics: Iterable[Metric], histogram: str | None = None) -> Measures:
        """Return the measures; the histogram is named without `_bucket`.

        Raises:
            InputError: the histogram's selector cannot be read, or two metrics have the same name.
        """
        found = tuple(metrics)
        for n, metric in enumerate(found):
            if metric.name in (other.name for other in found[:n]):
                raise InputError(f"two metrics are named {metric.name}: give each metric its own name")
        return cls(found, _suffixed(Selector.parse(histogram), "_bucket") if histogram else None)

    def selectors(self) -> tuple[Selector, ...]:
        """Return every selector once, those of all requests first."""
        wanted = [metric.total for metric in self.metrics] + [metric.good for metric in self.metrics]
        return tuple(dict.fromkeys(wanted + ([self.histogram] if self.histogram else [])))

    def parts(self, samples: Iterable[Sample]) -> Parts:
        """Return the counters of each series of one process, from the samples of one successful scrape.

        The buckets of a histogram that differ only in `le` are one series.
        """
        names = {selector.name for selector in self.selectors()}
        series: dict[int, list[Sample]] = {}
        for sample in samples:
            name, labels, value = sample
            if name in names and not math.isnan(value):
                own = frozenset(label for label in labels.items() if label[0] != "le")
                series.setdefault(hash((name, own)), []).append(sample)
        return {key: self._part(found) for key, found in series.items()}

    def count(self, parts: Parts) -> dict[str, float]:
        """Return the counters of one process, from those of its series in one successful scrape.

        Series that do not exist yet count as zero, because the scrape succeeded. The keys are those of `good_key`,
        `total_key` and `bucket_key`. All are cumulative. They fall when the process restarts or drops a series.
        """
        counters = {key(metric): 0.0 for metric in self.metrics for key in (total_key, good_key)}
        for part in parts.values():
            for key, value in part.items():
                counters[key] = counters.get(key, 0.0) + value
        for metric in self.metrics:
            counters[good_key(metric)] = min(counters[good_key(metric)], counters[total_key(metric)])
        return counters

    def _part(self, series: list[Sample]) -> dict[str, float]:
        """Return the counters of one series."""
        counters = {}
        for metric in self.metrics:
            if total := [value for name, labels, value in series if metric.total.matches(name, labels)]:
                counters[total_key(metric)] = sum(total)
            if metric.objective is not None:
                if buckets := _buckets(metric.good, series):
                    counters[good_key(metric)] = within(metric.objective, buckets)
            elif good := [value for name, labels, value in series if metric.good.matches(name, labels)]:
                counters[good_key(metric)] = sum(good)
        if self.histogram:
            for bound, count in _buckets(self.histogram, series).items():
                counters[bucket_key(bound)] = count
        return counters


def good_key(metric: Metric) -> str:
    """Return the name of the counter of good requests."""
    return intern(f"{metric.name} good")


def total_key(metric: Metric) -> str:
    """Return the name of the counter of all requests."""
    return intern(f"{metric.name} total")


def bucket_key(bound: float) -> str:
    """Return the name of the counter of requests that took at most `bound` seconds."""
    return intern(f"le={bound!r}")


def bucket_bound(key: str) -> float | None:
    """Return the upper bound, in seconds, of the bucket that a counter's name stands for; None for another counter."""
    return float(key[3:]) if key.startswith("le=") else None


def within(objective: float, buckets: Mapping[float, float]) -> float:
    """Return how many requests took at most `objective` seconds.

    Args:
        objective: seconds.
        buckets: cumulative counts by upper bound in seconds, `inf` included.

    Requests are assumed to be spread evenly inside a bucket, and the first bucket starts at 0, as in Prometheus.
    Requests above the highest finite bound count as slower than any objective.
    """
    below, count_below = 0.0, 0.0
    for bound in sorted(buckets):
        if bound == math.inf:
            break
        count = max(buckets[bound], count_below)
        if objective <= bound:
            if bound <= below:  # a first bound of 0 or less has no width to interpolate in
                return count if objective == bound else 0.0
            return count_below + (count - count_below) * max(0.0, objective - below) / (bound - below)
        below, count_below = max(bound, 0.0), count
    return count_below


def quantile(q: float, buckets: Mapping[float, float]) -> float | None:
    """Return the seconds within which a share `q` of requests was answered; None without requests.

    Arguments and interpolation are those of `within`. Above the highest finite bound, that bound is returned.
    """
    total = max(buckets.values(), default=0.0)
    if total <= 0:
        return None
    rank, below, count_below = q * total, 0.0, 0.0
    for bound in sorted(buckets):
        count = max(buckets[bound], count_below)
        if bound == math.inf:
            break
        if count >= rank and count > count_below:
            return below + (bound - below) * (rank - count_below) / (count - count_below)
        below, count_below = bound, count
    return below


def _parts(text: str) -> list[str]:
    """Return the parts between commas outside braces; empty if braces or quotes are not closed."""
    parts, at = [], 0
    while at < len(text):
        found = _PART.match(text, at)
        if not found:
            return []
        parts.append(found[1])
        at = found.end()
    return parts


def _tolerance(name: str, text: str) -> Tolerance:
    try:
        return read_tolerance(tolerance_text(text))
    except ValueError as error:
        raise InputError(f"metric {name}: tolerance {text}: must be {REQUIREMENT}") from error


def _suffixed(selector: Selector, suffix: str) -> Selector:
    return Selector(selector.name + suffix, selector.matchers)


def _buckets(selector: Selector, samples: Iterable[Sample]) -> dict[float, float]:
    buckets: dict[float, float] = {}
    for name, labels, value in samples:
        if "le" in labels and selector.matches(name, labels):
            bound = float(labels["le"])
            buckets[bound] = buckets.get(bound, 0.0) + value
    return buckets
