"""Counts from a saved answer of Prometheus to `/api/v1/query_range`.

The query selects the counters themselves, without `sum()` or `rate()`, so that a counter that restarts is handled as
Prometheus' `increase()` handles it, and a pod that disappears loses nothing. The series need the label `pod`, by which
pods of canary and baseline are told apart. Counting begins with the first sample of each pod.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from canary.errors import InputError
from canary.marks import COMPARED, Variant
from canary.metrics.streams import Streams
from canary.verdict.evidence import Evidence
from canary.verdict.exposed_metrics import ExposedMetrics, unmatched_selectors
from canary.verdict.looks import Counts, Look
from canary.verdict.measures import START, Measures
from canary.verdict.scrapes import Pod, Scrape
from canary.verdict.tally import Tally

_POD = re.compile(r"(?P<workload>.+)-(?P<variant>baseline|canary)-[a-z0-9]+-[a-z0-9]+")
"""The name of a pod of a Deployment NAME-baseline or NAME-canary."""

AROUND = "choose start and end around the release, and select the pods of canary and baseline"
COUNTERS = "save the counters themselves, without sum() or rate(); see canary verdict --help"


def counts_of(answer: Mapping[str, Any], name: str, measures: Measures, alpha: float) -> tuple[Counts, ...]:
    """Return the counts of each metric of each workload.

    Args:
        answer: the JSON of the answer.
        name: of the file, for errors.
        measures: what to count.
        alpha: error level of the verdict.

    Raises:
        InputError: it is not such an answer, or has no counters of canary and baseline.
    """
    series = list(_series(answer, name))
    samples = [(labels["__name__"], labels, values[-1][1]) for _, labels, values in series]
    exposed = ExposedMetrics.of(samples, measures)
    for metric in measures.metrics:
        for text in unmatched_selectors(metric, exposed, enough=True, least=1):
            raise InputError(f"{name}: {text}. Correct --good, --total or --metric, or save these series, too")
    by_time: dict[float, list[Scrape]] = defaultdict(list)
    for scrape in _scrapes(series, measures):
        by_time[scrape.at].append(scrape)
    tally = Tally(warm_up=1)  # with a warm-up, the first scrape of a process is where counting begins
    looks: dict[tuple[str, str], list[Look]] = defaultdict(list)
    workloads = sorted({pod.workload for pod, _, _ in series})
    for at, scrapes in sorted(by_time.items()):
        tally = tally.add(scrapes, measures)
        for workload in workloads:
            for metric in measures.metrics:
                sides = (tally.evidence(workload, variant, metric) for variant in COMPARED)
                looks[workload, metric.name].append(Look(at, *sides))
    for (workload, metric_name), found in looks.items():
        for variant, evidence in (("baseline", found[-1].baseline), ("canary", found[-1].canary)):
            if evidence == Evidence():
                raise InputError(f"{name}: no {metric_name} requests of the {variant} of {workload}: {AROUND}")
    tolerances = {metric.name: metric.tolerance for metric in measures.metrics}
    return tuple(Counts(*key, tolerances[key[1]], alpha, len(looks), tuple(found)) for key, found in looks.items())


def _series(answer: Mapping[str, Any], name: str) -> Iterator[tuple[Pod, Mapping[str, str], list[tuple[float, float]]]]:
    """Yield the series of canary and baseline pods: pod, labels and values by time."""
    data = answer.get("data")
    if answer.get("status") != "success" or not isinstance(data, dict):
        problem = answer.get("error") or f"status is {answer.get('status')!r}"
        raise InputError(f"{name}: Prometheus did not answer the query: {problem}: correct the query and save it again")
    if data.get("resultType") != "matrix":
        raise InputError(
            f"{name}: data.resultType is {data.get('resultType')!r}, not 'matrix': query /api/v1/query_range, "
            "with start, end and step"
        )
    seen = []
    for place, one in enumerate(data.get("result") or []):
        where = f"{name}: data.result[{place}]"
        try:
            labels = {str(key): str(value) for key, value in one["metric"].items()}
            values = [(float(at), float(value)) for at, value in one["values"]]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{where}: is not a series with metric and values: save the answer again") from error
        if "__name__" not in labels or "pod" not in labels:
            missing = "name" if "__name__" not in labels else "label pod"
            raise InputError(f"{where}: the series {labels} has no {missing}: {COUNTERS}")
        seen.append(labels["pod"])
        if (found := _POD.fullmatch(labels["pod"])) and values:
            uid = f"{labels.get('namespace', '')}/{labels['pod']}"
            variant = Variant(found["variant"])
            pod = Pod(
                labels["pod"], labels.get("namespace", ""), uid, found["workload"], variant, 0, ready_at=-math.inf
            )
            yield pod, labels, values
    if not any(map(_POD.fullmatch, seen)):
        pods = f"its pods are {', '.join(sorted(set(seen))[:5])}" if seen else "it has no series at all"
        raise InputError(f"{name}: no series of a pod NAME-canary-… or NAME-baseline-… ({pods}): {AROUND}")


def _scrapes(
    series: Iterable[tuple[Pod, Mapping[str, str], list[tuple[float, float]]]], measures: Measures
) -> Iterator[Scrape]:
    """Yield the scrapes of each process, from the series of one scraper."""
    processes: dict[tuple[Pod, str], Streams] = defaultdict(Streams)
    for pod, labels, values in series:
        processes[pod, labels.get("container", "")].add(labels, values)
    for (pod, container), streams in processes.items():
        for metric in measures.metrics:
            part = Measures((metric,))
            for at, samples in streams.scrapes(metric.total).items():
                started = next((value for name, _, value in samples if name == START), None)
                counted = part.parts(samples)
                yield Scrape(pod, at, part.count(counted), "", f"{container}/{metric.name}", started, counted)
