"""Reads what a pod exposes, in Prometheus' text format or in OpenMetrics.

A page has hundreds or thousands of lines. A release needs a few of them, again and again. So only these are parsed,
and the labels of a series only the first time.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from prometheus_client.parser import text_string_to_metric_families as parse

from canary.verdict.measures import Sample

_LABELS = r'\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\}'
_SAMPLE = re.compile(
    rf"([a-zA-Z_:][a-zA-Z0-9_:]*)?[ \t]*({_LABELS})?[ \t]*([^\s{{}}]+)(?:[ \t]+[-+.0-9eE]+)?(?:[ \t]+#.*)?\s*"
)
"""Name (which may be quoted inside the braces), labels, value, timestamp, exemplar."""

_STRANGE = re.compile(r"\n[^\sa-zA-Z_:#{]")
"""Start of a line that is neither empty nor a comment nor a sample."""


class Reader:
    """Reads the series with certain names from many pages."""

    def __init__(self, names: Iterable[str]) -> None:
        """Read series with these names."""
        self._names = tuple(set(names))

    def read(self, page: str) -> list[Sample]:
        """Return the samples with these names.

        Other lines are only checked as far as needed to see whether the page holds metrics.

        Raises:
            ValueError: it does not, or one of the samples is not valid.
        """
        lines = _lines(page)
        first = next((line for line in lines if line and not line.startswith("#")), "")
        if first:
            _sample(first)
        if strange := _STRANGE.search(page):
            raise _invalid(page[strange.start() + 1 :].partition("\n")[0])
        samples = (_sample(line) for line in lines if line.startswith(self._names))
        return [sample for sample in samples if sample[0] in self._names]


def names(page: str) -> frozenset[str]:
    """Return the names of all series on a page."""
    series = (line for line in _lines(page) if line and line[0] not in "#{")
    return frozenset(line.partition("{")[0].partition(" ")[0].rstrip() for line in series)


def counters(page: str) -> list[Sample]:
    """Return the samples of all counters, and of the counts of histograms and summaries.

    Raises:
        ValueError: the page does not hold metrics.
    """
    Reader(()).read(page)  # the library accepts pages that are not metrics
    return [
        (sample.name, sample.labels, sample.value)
        for family in parse(page)
        for sample in family.samples
        if sample.name.endswith("_count" if family.type in ("histogram", "summary") else "_total")
        or (family.type == "counter" and sample.name == family.name)
    ]


def _lines(page: str) -> list[str]:
    """Return the lines of a page without their leading blanks."""
    lines = page.split("\n")
    if page[:1].isspace() or "\n " in page or "\n\t" in page:
        return [line.lstrip() for line in lines]
    return lines


@lru_cache(maxsize=100_000)
def _labels(text: str) -> Mapping[str, str]:
    """Return the labels in a text with braces."""
    [family] = parse(f"x{text} 0\n")
    labels: Mapping[str, str] = family.samples[0].labels
    return labels


def _sample(line: str) -> Sample:
    match = _SAMPLE.fullmatch(line)
    if not match:
        raise _invalid(line)
    name, labels, value = match.groups()
    try:
        return name or "", _labels(labels) if labels and name else {}, float(value)
    except ValueError as error:
        raise _invalid(line) from error


def _invalid(line: str) -> ValueError:
    return ValueError(f"invalid line: {line[:100]!r}")
