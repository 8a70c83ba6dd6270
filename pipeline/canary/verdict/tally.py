"""Adds up the counts of pods into the evidence of each variant, whatever happens to the pods.

A pod's counters start at zero with its process. They fall when a container restarts, and disappear with the pod. A
tally keeps what was counted before. It is a value: `add` returns a new one. `state/counts.py` stores it in the cluster,
so that the next driver continues where a killed one stopped.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from canary.marks import COMPARED, Variant
from canary.verdict.comparison import Decision, Verdict
from canary.verdict.counters import Group, Process
from canary.verdict.evidence import Evidence, number
from canary.verdict.measures import Measures, Metric, bucket_bound, good_key, quantile, total_key
from canary.verdict.rule import combine, compare_strata, withheld_without_good
from canary.verdict.sample_ratio import NO_ANSWERS, Answers, SampleRatio
from canary.verdict.scrapes import Pod, Scrape
from canary.verdict.strata import Strata

RECENT = 30.0  # seconds over which the request rate is measured


@dataclass(frozen=True)
class Tally:
    """Everything counted since the warm-ups ended.

    Attributes:
        warm_up: a pod's answers count from this many seconds after it became ready; 0 counts from the process's start.
        missing: pods whose last scrape failed, and why.
    """

    warm_up: float = 10.0
    missing: Mapping[Pod, str] = field(default_factory=dict)
    _evidence: Mapping[tuple[str, Variant, str], Evidence] = field(default_factory=dict)
    _strata: Mapping[tuple[str, str], Strata] = field(default_factory=dict)
    _sample_ratios: Mapping[str, SampleRatio] = field(default_factory=dict)
    _buckets: Mapping[Group, Mapping[float, float]] = field(default_factory=dict)
    _processes: Mapping[tuple[str, str], Process] = field(default_factory=dict)
    _recent: Mapping[Group, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    _before: Mapping[tuple[str, Variant, str], float] = field(default_factory=dict)

    def add(self, scrapes: Iterable[Scrape], measures: Measures, *, by_route: bool = False) -> Tally:
        """Return the tally with the scrapes added. Scrapes seen before change nothing, and order does not matter.

        Args:
            scrapes: of all pods.
            measures: what is compared.
            by_route: whether canary and baseline get equal shares of the requests, however many pods each has; else
                each ready pod gets as many as any other.
        """
        scrapes = list(scrapes)
        pods = {one.pod.uid: (one.pod.workload, one.pod.variant) for one in scrapes if one.counters is not None}
        sizes = Counter(pods.values()) if by_route else {}
        processes = dict(self._processes)
        missing: dict[Pod, str] = {}
        rounds: dict[tuple[int, Group], dict[str, float]] = {}
        answers: dict[tuple[int, Group], Answers] = {}
        latest: dict[Group, float] = {}
        nth, of_round = 0, set[tuple[str, str]]()
        for scrape in sorted(scrapes, key=lambda one: one.at):
            if scrape.counters is None:
                missing[scrape.pod] = scrape.problem
                continue
            missing.pop(scrape.pod, None)
            key, group = (scrape.pod.uid, scrape.process), (scrape.pod.workload, scrape.pod.variant)
            last = processes.get(key)
            if last and scrape.at <= last.at:
                continue
            counting = self._warm(scrape) or (last is not None and last.counting)
            gained: Mapping[str, float] = {}
            if counting and last and last.counting:
                gained = last.gained(scrape, scrape.counters)
            elif counting and self.warm_up == 0:
                gained = scrape.counters
            parts = last.parts_after(scrape) if last else scrape.parts
            processes[key] = Process(group, scrape.at, scrape.counters, scrape.started, counting, parts)
            latest[group] = scrape.at
            # A round has one scrape of each process at most. So canary and baseline are compared at the same time, also
            # where one of them has fewer scrapes.
            if key in of_round:
                nth, of_round = nth + 1, set()
            of_round.add(key)
            batch = rounds.setdefault((nth, group), {})
            for name, value in gained.items():
                batch[name] = batch.get(name, 0.0) + value
            if last and last.counting and measures.metrics:
                count = gained.get(total_key(measures.metrics[0]), 0.0)
                times = (seconds / sizes.get(group, 1) for seconds in last.until(scrape))
                answers[nth, group] = answers.get((nth, group), NO_ANSWERS).add(count, *times)
        ratios = self._with_answers(answers)
        tally = replace(self, missing=missing, _processes=processes, _sample_ratios=ratios)
        return tally._counted(rounds, latest, measures)  # noqa: SLF001 - of this class

    def evidence(self, workload: str, variant: Variant, metric: Metric) -> Evidence:
        """Return what a variant has shown on a metric."""
        return self._evidence.get((workload, variant, metric.name), Evidence())

    def strata(self, workload: str, metric: Metric) -> Strata:
        """Return what canary and baseline have shown on a metric, compared within each scrape."""
        return self._strata.get((workload, metric.name), Strata(metric.tolerance))

    def with_strata(self, workload: str, metric: str, strata: Strata) -> Tally:
        """Return the tally with other strata of a metric: those of another tolerance."""
        return replace(self, _strata={**self._strata, (workload, metric): strata})

    def doubt(self, workload: str) -> str:
        """Return why canary or baseline of a workload may leave requests unanswered, empty if nothing tells so."""
        pods = [
            len({uid for (uid, _), process in self._processes.items() if process.group == (workload, variant)})
            for variant in COMPARED
        ]
        return self._sample_ratios.get(workload, SampleRatio()).doubt(*pods)

    def at_new_step(self) -> Tally:
        """Return the tally at the start of a new step: no requests counted at this step yet, the same evidence."""
        return replace(self, _before={key: one.total for key, one in self._evidence.items()})

    def requests_at_step(self, workload: str, variant: Variant, metric: Metric) -> float:
        """Return how many of a variant's requests were counted at the current step."""
        key = (workload, variant, metric.name)
        return self._evidence.get(key, Evidence()).total - self._before.get(key, 0.0)

    def answered(self, workload: str, variant: Variant) -> float:
        """Return how many requests a variant has answered, from the metric with the most requests."""
        found = (one.total for key, one in self._evidence.items() if key[:2] == (workload, variant))
        return max(found, default=0.0)

    def rate(self, workload: str, variant: Variant) -> float | None:
        """Return the requests per second over the last 30 seconds, None while unknown."""
        recent = self._recent.get((workload, variant), ())
        if len(recent) < 2 or recent[-1][0] <= recent[0][0]:
            return None
        return (recent[-1][1] - recent[0][1]) / (recent[-1][0] - recent[0][0])

    def quantile(self, workload: str, variant: Variant, q: float) -> float | None:
        """Return the seconds within which a share `q` of a variant's requests was answered, None while unknown."""
        return quantile(q, self._buckets.get((workload, variant), {}))

    def since(self, pods: Iterable[Pod], now: float) -> float:
        """Return the Unix time from which a source must read so that no scrape of these pods is lost."""
        seen: dict[str, float] = {}
        for (uid, _), process in self._processes.items():
            seen[uid] = min(process.at, seen.get(uid, math.inf))
        return min([now, *(seen.get(pod.uid, now if pod.ready_at is None else pod.ready_at) for pod in pods)])

    def _warm(self, scrape: Scrape) -> bool:
        ready_at = scrape.pod.ready_at
        return self.warm_up == 0 or (ready_at is not None and scrape.at >= ready_at + self.warm_up)

    def _with_answers(self, answers: Mapping[tuple[int, Group], Answers]) -> Mapping[str, SampleRatio]:
        """Return the sample ratios with the answers of each round of scrapes."""
        ratios = dict(self._sample_ratios)
        for nth, workload in sorted({(nth, workload) for nth, (workload, _) in answers}):
            sides = (answers.get((nth, (workload, variant)), NO_ANSWERS) for variant in COMPARED)
            ratios[workload] = ratios.get(workload, SampleRatio()).add(*sides)
        return ratios

    def _counted(
        self,
        rounds: Mapping[tuple[int, Group], Mapping[str, float]],
        latest: Mapping[Group, float],
        measures: Measures,
    ) -> Tally:
        """Return the tally plus what each round of scrapes added."""
        evidence, strata, recent = dict(self._evidence), dict(self._strata), dict(self._recent)
        buckets = {group: dict(counts) for group, counts in self._buckets.items()}
        for (_, group), gained in sorted(rounds.items(), key=lambda item: item[0][0]):
            for metric in measures.metrics:
                found, key = _counts(gained, metric), (*group, metric.name)
                evidence[key] = evidence.get(key, Evidence()).add(found.good, found.total)
            counts = buckets.setdefault(group, {})
            for name, value in gained.items():
                if (bound := bucket_bound(name)) is not None:
                    counts[bound] = counts.get(bound, 0.0) + value
        for round_, workload in sorted({(nth, group[0]) for nth, group in rounds}):
            for metric in measures.metrics:
                sides = (_counts(rounds.get((round_, (workload, one)), {}), metric) for one in COMPARED)
                strata[workload, metric.name] = strata.get((workload, metric.name), Strata(metric.tolerance)).add(
                    *sides
                )
        for group, at in latest.items() if measures.metrics else ():
            total = evidence.get((*group, measures.metrics[0].name), Evidence()).total
            recent[group] = (*(look for look in recent.get(group, ()) if at - RECENT <= look[0] < at), (at, total))
        return replace(self, _evidence=evidence, _strata=strata, _buckets=buckets, _recent=recent)

    @property
    def workloads(self) -> tuple[str, ...]:
        """Return the names of the workloads with counted requests."""
        return tuple(sorted({workload for workload, _, _ in self._evidence}))

    def of(self, workload: str) -> Mapping[tuple[Variant, str], Evidence]:
        """Return the evidence of a workload, by variant and metric."""
        return {key[1:]: one for key, one in self._evidence.items() if key[0] == workload}

    def without_gone(self, uids: Container[str]) -> Tally:
        """Return the tally without the counters of deleted pods; what they counted stays in the evidence.

        Args:
            uids: of the pods that exist, or may come back.
        """
        return replace(self, _processes={key: one for key, one in self._processes.items() if key[0] in uids})

    def as_json(self, workload: str) -> dict[str, Any]:
        """Return the tally of a workload as `from_json` reads it. The request rate is left out."""
        named: dict[str, list[tuple[str, Process]]] = {}
        for (uid, name), one in sorted(self._processes.items()):
            if one.group[0] == workload:
                named.setdefault(name, []).append((uid, one))
        return {
            "totals": [
                [variant, metric, number(one.good), number(one.total)]
                for (variant, metric), one in sorted(self.of(workload).items())
            ],
            "strata": [
                [metric, strata.as_json()] for (of, metric), strata in sorted(self._strata.items()) if of == workload
            ],
            "sample_ratio": self._sample_ratios.get(workload, SampleRatio()).as_json(),
            "before_step": [
                [variant, metric, number(total)]
                for (of, variant, metric), total in sorted(self._before.items())
                if of == workload
            ],
            "buckets": [
                [variant, {repr(bound): number(count) for bound, count in sorted(counts.items())}]
                for (of, variant), counts in sorted(self._buckets.items())
                if of == workload and counts
            ],
            "processes": [[name, *_table(found)] for name, found in sorted(named.items())],
        }

    @classmethod
    def from_json(cls, read: Mapping[str, Any], workload: str, warm_up: float = 10.0) -> Tally:
        """Return the tally from the JSON of `as_json`.

        Args:
            read: that JSON.
            workload: name of the workload.
            warm_up: seconds, for pods that become ready from now on.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: the JSON is something else.
        """
        return cls(
            warm_up,
            _evidence={
                (workload, Variant(variant), metric): Evidence(float(good), float(total))
                for variant, metric, good, total in read["totals"]
            },
            _strata={(workload, metric): Strata.from_json(strata) for metric, strata in read["strata"]},
            _sample_ratios={workload: SampleRatio.from_json(read["sample_ratio"])} if "sample_ratio" in read else {},
            _buckets={
                (workload, Variant(variant)): {float(bound): float(count) for bound, count in counts.items()}
                for variant, counts in read["buckets"]
            },
            _processes={
                (uid, process): Process(
                    (workload, Variant(variant)),
                    float(at),
                    {name: float(value) for name, value in zip(names, values, strict=True) if value is not None},
                    None if started is None else float(started),
                    bool(counting),
                )
                for process, names, rows in read["processes"]
                for uid, variant, at, started, counting, *values in rows
            },
            _before={
                (workload, Variant(variant), metric): float(total) for variant, metric, total in read["before_step"]
            },
        )

    def joined(self, other: Tally) -> Tally:
        """Return the tally of both, for different workloads. Failed scrapes are left out."""
        return Tally(
            self.warm_up,
            _evidence={**self._evidence, **other._evidence},
            _strata={**self._strata, **other._strata},
            _sample_ratios={**self._sample_ratios, **other._sample_ratios},
            _buckets={**self._buckets, **other._buckets},
            _processes={**self._processes, **other._processes},
            _before={**self._before, **other._before},
        )


def judge(
    tally: Tally, measures: Measures, workloads: Sequence[str], *, alpha: float = 0.05, sample_ratio: bool = True
) -> Verdict:
    """Return the verdict on all metrics of all workloads.

    The verdict is not PROMOTE while the last scrape of a canary or baseline pod failed, nor if a metric has no good
    request: two selectors that match nothing are equal, and so are two versions that only fail. It is not PROMOTE
    either while one of the two answers far fewer requests than its pods should, if `sample_ratio` asks for this check.
    """
    comparisons = [
        compare_strata(
            tally.strata(workload, metric),
            alpha=alpha,
            comparisons=len(workloads) * len(measures.metrics),
            metric=metric.name,
            workload=workload,
            quality=metric.quality,
        )
        for workload in workloads
        for metric in measures.metrics
    ]
    verdict = combine(comparisons)
    missing = {pod.name: why for pod, why in tally.missing.items() if pod.variant is not Variant.STABLE}
    if verdict.decision is Decision.PROMOTE and missing:
        name, why = min(missing.items())
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return verdict.withhold(f"counts are missing from {name}{others} ({why})")
    objectives = {one.name: one.quality for one in measures.metrics if one.objective is not None}
    verdict = withheld_without_good(verdict, objectives)
    doubts = ((workload, tally.doubt(workload)) for workload in workloads if sample_ratio)
    doubtful = next(((workload, why) for workload, why in doubts if why), None)
    if verdict.decision is Decision.REJECT or not doubtful:
        return verdict
    workload, why = doubtful
    why = f"{workload}: {why}" if len(workloads) > 1 else why
    if verdict.decision is Decision.PROMOTE:
        return verdict.withhold(f"{why} To promote nevertheless, add --sample-ratio off")
    return replace(verdict, sentence=f"{verdict.sentence}; {why}", withheld=why)


def _counts(gained: Mapping[str, float], metric: Metric) -> Evidence:
    """Return what a round has gained on a metric."""
    total = gained.get(total_key(metric), 0.0)
    return Evidence(min(gained.get(good_key(metric), 0.0), total), total)


def _table(processes: Sequence[tuple[str, Process]]) -> tuple[list[str], list[list[str | float | None]]]:
    """Return the names of the counters, and a row for each process: pod, time and counters."""
    names = sorted({name for _, one in processes for name in one.counters})
    return names, [
        [
            uid,
            one.group[1],
            number(round(one.at, 3)),
            None if one.started is None else number(round(one.started, 3)),
            int(one.counting),
            *(None if (value := one.counters.get(name)) is None else number(value) for name in names),
        ]
        for uid, one in processes
    ]
