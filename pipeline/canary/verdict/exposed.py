"""What pods publish, and which selectors cannot mean any of it.

A selector that matches nothing is not a count of zero. But a series may simply not exist yet: most libraries create one
for a label value when the first such request is answered. So what is missing counts as misspelt only in part: a metric
and a label are looked for among all series that there are, the value of a label only where requests came.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
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
"""How many times all requests the good ones may be: an app does not count both at the same instant."""

HARMLESS = "if there was nothing to exclude yet, that is fine; else correct the selector"
"""What to do about a condition that excludes nothing."""

ALL, GOOD = "all requests", "good requests"


@dataclass(frozen=True)
class Published:
    """What pods publish at one instant.

    Attributes:
        metrics: names of all series.
        values: of the metrics that are selected, by name: the values of each label, the empty one where a series lacks
            the label.
        counted: of the metrics that are selected, by name: the sum of all series.
        matched: the sum of the series that a selector matches; absent where it matches none.
    """

    metrics: frozenset[str] = frozenset()
    values: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    counted: Mapping[str, float] = field(default_factory=dict)
    matched: Mapping[Selector, float] = field(default_factory=dict)

    @classmethod
    def of(cls, samples: Iterable[Sample], measures: Measures) -> Self:
        """Return what these samples show of what is measured."""
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

    def __or__(self, other: Published) -> Published:
        """Return what both show together."""
        values = {}
        for name in self.values.keys() | other.values.keys():
            found = [one.values[name] for one in (self, other) if name in one.values]
            labels = {label for one in found for label in one}
            values[name] = {label: frozenset[str]().union(*(one.get(label, {""}) for one in found)) for label in labels}
        return Published(
            self.metrics | other.metrics,
            values,
            _added(self.counted, other.counted),
            _added(self.matched, other.matched),
        )


def misfits(metric: Metric, published: Published, *, enough: bool, least: int) -> Iterator[str]:
    """Yield why a metric's selectors cannot be meant so, in sentences without the last full stop.

    Args:
        metric: what is measured.
        published: by all pods that count.
        enough: whether so many requests were counted that a good one should have been among them.
        least: requests of a metric among which one should be that the selector of all requests matches.
    """
    missing = set()
    for selector, role in _selectors(metric):
        if selector.name not in published.values:
            if _name(metric, selector) not in missing:
                yield _no_metric(metric, selector, role, published.metrics)
            missing.add(_name(metric, selector))
            continue
        for matcher in selector.matchers:
            values = published.values[selector.name]
            is_due = enough if role == GOOD else published.counted[selector.name] >= least
            if matcher.label not in values:
                if matcher.is_negative or not matcher.accepts(""):
                    yield _no_label(metric, selector, role, matcher, values)
            elif is_due and selector not in published.matched and not any(map(matcher.accepts, values[matcher.label])):
                yield _no_value(metric, selector, role, matcher, values[matcher.label])
    good, total = (published.matched.get(one, 0.0) for one in (metric.good, metric.total))
    if enough and metric.objective is None and good > total * EXCESS:
        yield (
            f"The selector of good requests, {metric.good}, has counted {good:,.0f} requests. The selector of all "
            f"requests, {metric.total}, has counted only {total:,.0f}. Good requests must be among all requests"
        )


def idle(metric: Metric, published: Published) -> Iterator[str]:
    """Yield which conditions exclude nothing although they should, in sentences without the last full stop.

    A condition on status codes that would exclude one that nobody has answered with yet is taken as meant so.
    """
    for selector, role in _selectors(metric):
        for matcher in selector.matchers:
            values = published.values.get(selector.name, {}).get(matcher.label, frozenset({""}))
            if not (matcher.is_negative or matcher.accepts("")) or not all(map(matcher.accepts, values)):
                continue
            codes = all(re.fullmatch("[1-5][0-9][0-9]", value) for value in values)
            if codes and not all(map(matcher.accepts, STATUS_CODES)):
                continue
            where = _where(metric, selector, role)
            yield f"{matcher} excludes nothing ({where}). {_values(matcher.label, values)}"


def _selectors(metric: Metric) -> list[tuple[Selector, str]]:
    """Return the selectors to look at; of a histogram's buckets only whether there are any."""
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
        f"No pod publishes a {what} {wanted}{where}.{_meant(wanted, others)} "
        f"{_list(wanted, others, f'The {what}s are', f'There is no {what} at all')}"
    )


def _no_label(metric: Metric, selector: Selector, role: str, matcher: Matcher, labels: Iterable[str]) -> str:
    only = f'. If only failed requests have {matcher.label}, write {matcher.label}=""' if matcher.is_negative else ""
    return (
        f"No series of {_name(metric, selector)} has a label {matcher.label} ({_where(metric, selector, role)})."
        f"{_meant(matcher.label, labels)} {_list(matcher.label, labels, 'Its labels are', 'It has no labels')}{only}"
    )


def _no_value(metric: Metric, selector: Selector, role: str, matcher: Matcher, values: frozenset[str]) -> str:
    return (
        f"No series of {_name(metric, selector)} has {matcher} ({_where(metric, selector, role)})."
        f"{_meant(matcher.value, values - {''}, quoted=True)} {_values(matcher.label, values, matcher.value)}"
    )


def _where(metric: Metric, selector: Selector, role: str) -> str:
    return f"in {_shown(metric, selector)}, the selector of {role}"


def _name(metric: Metric, selector: Selector) -> str:
    """Return a metric's name as the user has given it: a histogram's without suffix."""
    return selector.name if metric.objective is None else re.sub("_(count|bucket)$", "", selector.name)


def _shown(metric: Metric, selector: Selector) -> str:
    return str(Selector(_name(metric, selector), selector.matchers))


def _meant(wanted: str, names: Iterable[str], *, quoted: bool = False) -> str:
    near = get_close_matches(wanted, list(names), n=1, cutoff=0.25 if quoted else 0.6)  # values are few, and short
    return f" Did you mean {_quoted(near[0]) if quoted else near[0]}?" if near else ""


def _values(label: str, values: frozenset[str], wanted: str = "") -> str:
    present = values - {""}
    intro = f"The values of {label} are" if len(present) > 1 else f"The only value of {label} is"
    return _list(wanted, present, intro, f"No series has a label {label}", quoted=True)


def _list(wanted: str, names: Iterable[str], intro: str, otherwise: str, *, quoted: bool = False) -> str:
    """Return a sentence, without its full stop, that lists names, those first that resemble what was wanted."""
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
