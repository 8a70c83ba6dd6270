"""The metrics that pods expose, and selectors that cannot match any of them.

A selector that matches nothing is not a count of zero. But a series may not exist yet: most libraries create the series
of a label value when they answer the first such request. So a metric or a label that no series has is an error. A label
value that no series has is an error only after enough requests.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher, get_close_matches
from typing import Self, TypeVar

from canary.verdict.measures import Measures, Metric, Sample
from canary.verdict.selector import Matcher, Selector

K = TypeVar("K")

SHOWN = 10
"""Names or values that a message lists."""

STATUS_CODES = [str(code) for code in range(100, 600)]
EXCESS = 1.05
"""Good requests may exceed all requests by this factor, because an app does not count both at the same instant."""

HARMLESS = "this is fine if there was nothing to exclude yet; otherwise correct the selector"
"""Advice about a condition that excludes nothing."""

ALL, GOOD = "all requests", "good requests"


@dataclass(frozen=True)
class ExposedMetrics:
    """The metrics that pods expose at one instant.

    Attributes:
        metrics: names of all series.
        values: the values of each label, by name of each selected metric; empty for a series without the label.
        counted: the sum of all series, by name of each selected metric.
        matched: the sum of the series that each selector matches; absent if it matches none.
    """

    metrics: frozenset[str] = frozenset()
    values: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    counted: Mapping[str, float] = field(default_factory=dict)
    matched: Mapping[Selector, float] = field(default_factory=dict)

    @classmethod
    def of(cls, samples: Iterable[Sample], measures: Measures) -> Self:
        """Return the exposed metrics that these samples show."""
        selectors = measures.selectors()
        names = {selector.name for selector in selectors}
        metrics: set[str] = set()
        series: dict[str, list[Mapping[str, str]]] = defaultdict(list)
        counted: dict[str, float] = defaultdict(float)
        matched: dict[Selector, float] = defaultdict(float)
        for name, labels, value in samples:
            metrics.add(name)
            if name not in names:
                continue
            series[name].append(labels)
            counted[name] += value
            for selector in selectors:
                if selector.matches(name, labels):
                    matched[selector] += value
        values = {
            name: {
                label: frozenset(labels.get(label, "") for labels in found)
                for label in {label for labels in found for label in labels} - {"__name__"}
            }
            for name, found in series.items()
        }
        return cls(frozenset(metrics), values, dict(counted), dict(matched))

    def __or__(self, other: ExposedMetrics) -> ExposedMetrics:
        """Return the exposed metrics of both."""
        values = {}
        for name in self.values.keys() | other.values.keys():
            found = [one.values[name] for one in (self, other) if name in one.values]
            labels = {label for one in found for label in one}
            values[name] = {label: frozenset[str]().union(*(one.get(label, {""}) for one in found)) for label in labels}
        return ExposedMetrics(
            self.metrics | other.metrics,
            values,
            _added(self.counted, other.counted),
            _added(self.matched, other.matched),
        )


def unmatched_selectors(metric: Metric, exposed: ExposedMetrics, *, enough: bool, least: int) -> Iterator[str]:
    """Yield why a metric's selectors must be misspelt, in sentences without the last full stop.

    Args:
        metric: the metric.
        exposed: the metrics of all pods that count.
        enough: whether enough requests were counted to expect a good one.
        least: number of requests of a metric after which the selector for all requests should match one.
    """
    missing = set()
    for selector, role in _selectors(metric):
        if selector.name not in exposed.values:
            if _name(metric, selector) not in missing:
                yield _no_metric(metric, selector, role, exposed.metrics)
            missing.add(_name(metric, selector))
            continue
        for matcher in selector.matchers:
            values = exposed.values[selector.name]
            is_due = enough if role == GOOD else exposed.counted[selector.name] >= least
            if matcher.label not in values:
                if matcher.is_negative or not matcher.accepts(""):
                    yield _no_label(metric, selector, role, matcher, values)
            elif is_due and selector not in exposed.matched and not any(map(matcher.accepts, values[matcher.label])):
                yield _no_value(metric, selector, role, matcher, values[matcher.label])
    good, total = (exposed.matched.get(one, 0.0) for one in (metric.good, metric.total))
    if enough and metric.objective is None and good > total * EXCESS:
        yield (
            f"The selector for good requests {metric.good} counts {good:,.0f} requests. The selector for all "
            f"requests, {metric.total} counts only {total:,.0f}. Good requests must be among all requests"
        )


def ineffective_conditions(metric: Metric, exposed: ExposedMetrics) -> Iterator[str]:
    """Yield which conditions should exclude something and do not, in sentences without the last full stop.

    A condition on status codes is fine if it would exclude a code that has not occurred yet.
    """
    for selector, role in _selectors(metric):
        for matcher in selector.matchers:
            values = exposed.values.get(selector.name, {}).get(matcher.label, frozenset({""}))
            if not (matcher.is_negative or matcher.accepts("")) or not all(map(matcher.accepts, values)):
                continue
            codes = all(re.fullmatch("[1-5][0-9][0-9]", value) for value in values)
            if codes and not all(map(matcher.accepts, STATUS_CODES)):
                continue
            where = _where(metric, selector, role)
            yield f"{matcher} excludes nothing ({where}). {_values(matcher.label, values)}"


def _selectors(metric: Metric) -> list[tuple[Selector, str]]:
    """Return the selectors to check. For a histogram's buckets, only check that they exist."""
    if metric.objective is None:
        return [(metric.total, ALL), (metric.good, GOOD)]
    return [(metric.total, ALL), (Selector(metric.good.name), GOOD)]


def _no_metric(metric: Metric, selector: Selector, role: str, names: frozenset[str]) -> str:
    if metric.objective is None:
        what, wanted = "metric", selector.name
        others = [name for name in names if not name.endswith(("_bucket", "_sum", "_created"))]
    else:
        what, wanted = "histogram", _name(metric, selector)
        others = [name.removesuffix("_bucket") for name in names if name.endswith("_bucket")]
    where = "" if wanted == _shown(metric, selector) else f" ({_where(metric, selector, role)})"
    return (
        f"No pod exposes a {what} {wanted}{where}.{_did_you_mean(wanted, others)} "
        f"{_list(wanted, others, f'The {what}s are', f'There is no {what} at all')}"
    )


def _no_label(metric: Metric, selector: Selector, role: str, matcher: Matcher, labels: Collection[str]) -> str:
    only = f'. If only failed requests have {matcher.label}, write {matcher.label}=""' if matcher.is_negative else ""
    known = "Its only label is" if len(labels) == 1 else "Its labels are"
    return (
        f"No series of {_name(metric, selector)} has a label {matcher.label} ({_where(metric, selector, role)})."
        f"{_did_you_mean(matcher.label, labels)} "
        f"{_list(matcher.label, labels, known, 'It has no labels')}{only}"
    )


def _no_value(metric: Metric, selector: Selector, role: str, matcher: Matcher, values: frozenset[str]) -> str:
    return (
        f"No series of {_name(metric, selector)} has {matcher} ({_where(metric, selector, role)})."
        f"{_did_you_mean(matcher.value, values - {''}, quoted=True)} {_values(matcher.label, values, matcher.value)}"
    )


def _where(metric: Metric, selector: Selector, role: str) -> str:
    return f"in {_shown(metric, selector)}, the selector for {role}"


def _name(metric: Metric, selector: Selector) -> str:
    """Return a metric's name as the user wrote it: without suffix for a histogram."""
    return selector.name if metric.objective is None else re.sub("_(count|bucket)$", "", selector.name)


def _shown(metric: Metric, selector: Selector) -> str:
    return str(Selector(_name(metric, selector), selector.matchers))


def _did_you_mean(wanted: str, names: Iterable[str], *, quoted: bool = False) -> str:
    near = get_close_matches(wanted, list(names), n=1, cutoff=0.25 if quoted else 0.6)  # values are few, and short
    return f" Did you mean {_quoted(near[0]) if quoted else near[0]}?" if near else ""


def _values(label: str, values: frozenset[str], wanted: str = "") -> str:
    present = values - {""}
    intro = f"The values of {label} are" if len(present) > 1 else f"The only value of {label} is"
    return _list(wanted, present, intro, f"No series has a label {label}", quoted=True)


def _list(wanted: str, names: Iterable[str], intro: str, otherwise: str, *, quoted: bool = False) -> str:
    """Return a sentence, without its full stop, that lists names, most similar to the wanted one first."""
    resembling = sorted(names, key=lambda name: (-SequenceMatcher(None, wanted, name).ratio() if wanted else 0, name))
    if not resembling:
        return otherwise
    shown = [_quoted(name) if quoted else name for name in resembling[:SHOWN]]
    more = f" and {len(resembling) - SHOWN:,} more" if len(resembling) > SHOWN else ""
    return f"{intro} {', '.join(shown)}{more}"


def _quoted(value: str) -> str:
    return f'"{value}"'


def _added(one: Mapping[K, float], other: Mapping[K, float]) -> dict[K, float]:
    return {key: one.get(key, 0.0) + other.get(key, 0.0) for key in one.keys() | other.keys()}
