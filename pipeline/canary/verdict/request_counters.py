"""Finds the counters of requests among everything that an app exposes, and how they tell good requests from bad ones.

This is a guess by the names that client libraries and their documentation use. A person confirms it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from canary.verdict.measures import Sample
from canary.verdict.selector import Matcher, Selector

LABELS = (
    "custom_status",
    "status",
    "code",
    "status_code",
    "http_status",
    "http_status_code",
    "http_response_status_code",
    "response_code",
    "statuscode",
    "grpc_code",
    "outcome",
    "result",
)
"""Labels that say how a request ended, in the order in which they are tried."""

GOOD_WORDS = ("good", "ok", "success", "successful", "succeeded")
BAD_WORDS = ("bad", "error", "errors", "fail", "failed", "failure")
SERVER_FAULTS = ("Unknown", "DeadlineExceeded", "Unimplemented", "Internal", "Unavailable", "DataLoss")
"""Codes of gRPC that mean a fault of the server."""

_REQUESTS = re.compile("request|response|http|rpc|answer|call", re.IGNORECASE)
_OTHERS = re.compile("^(process|python|go|jvm|nodejs|promhttp|scrape)_|client|(_created|_sum|_bucket)$", re.IGNORECASE)
"""Counters of the runtime, of the scrapes themselves and of requests that the app sends."""


@dataclass(frozen=True)
class RequestCounter:
    """A counter of requests that also tells good from bad.

    Attributes:
        good: selector of good requests.
        total: selector of all requests.
        counted: requests so far, in all series.
        was_good: good requests so far.
        values: the values of the label so far, sorted.
    """

    good: Selector
    total: Selector
    counted: float
    was_good: float
    values: tuple[str, ...]

    @property
    def percent_good(self) -> float:
        """Return the percentage of good requests, 0 without requests."""
        return 100 * self.was_good / self.counted if self.counted else 0.0

    @property
    def label(self) -> str:
        """Return the label that says how a request ended."""
        return self.good.matchers[0].label


def request_counters(samples: Iterable[Sample]) -> list[RequestCounter]:
    """Return the counters of requests, the most likely one first.

    Args:
        samples: of all counters, from one or more pods.
    """
    series: dict[str, list[tuple[Mapping[str, str], float]]] = defaultdict(list)
    for name, labels, value in samples:
        if _REQUESTS.search(name) and not _OTHERS.search(name):
            series[name].append((labels, value))
    found = [counter for name, of_name in series.items() if (counter := _counter(name, of_name))]
    return sorted(found, key=lambda one: (LABELS.index(one.label), -one.counted, one.total.name))


def _counter(name: str, series: list[tuple[Mapping[str, str], float]]) -> RequestCounter | None:
    for label in LABELS:
        values = {labels[label] for labels, _ in series if labels.get(label)}
        matcher = _good(label, values)
        if matcher is None:
            continue
        good, total = Selector(name, (matcher,)), Selector(name)
        was_good = sum(value for labels, value in series if good.matches(name, labels))
        return RequestCounter(good, total, sum(value for _, value in series), was_good, tuple(sorted(values)))
    return None


def _good(label: str, values: set[str]) -> Matcher | None:
    """Return the condition for good requests; None if the label does not say how a request ended."""
    if not values:
        return None
    if all(re.fullmatch("[1-5][0-9][0-9]", value) for value in values):
        return Matcher(label, "!~", "5..")
    if all(re.fullmatch("[1-5][xX][xX]", value) for value in values):
        return Matcher(label, "!~", "5[xX][xX]")
    if label == "grpc_code":
        return Matcher(label, "!~", "|".join(SERVER_FAULTS))
    if "SUCCESS" in values and label == "outcome":  # Micrometer, which also has CLIENT_ERROR
        return Matcher(label, "!=", "SERVER_ERROR")
    words = {value.lower(): value for value in values}
    good, bad = ([words[word] for word in known if word in words] for known in (GOOD_WORDS, BAD_WORDS))
    if len(good) == 1:
        return Matcher(label, "=", good[0])
    return Matcher(label, "!=", bad[0]) if len(bad) == 1 and not good else None
