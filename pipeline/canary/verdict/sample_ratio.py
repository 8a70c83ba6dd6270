"""Notices that a variant leaves requests unanswered, which its counters cannot show.

Counters count answers. A variant that hangs, or refuses connections, answers little, and all that it answers can be
good. Its share of the answers of both variants shows it, because a Service sends as much to each ready pod.

The null hypothesis, for the canary and mirrored for the baseline: whatever happened before, the canary's expected share
of the answers of the next scrape is at least p0 = k_c / (3 k_b + k_c). k are the ready pods, so one pod may answer a
third of what a pod of the other variant answers: a slower version is no alarm. Each scrape contributes the factor

    (q / p0)^u · ((1 − q) / (1 − p0))^(1 − u)        u = the canary's share of the answers; q = .02, .25, .6 × p0

As a function of u it is convex. The straight line through its ends falls, and is 1 at u = p0. So the factor's
expectation is at most 1 for *every* distribution of u with a mean of p0 or more: answers within a scrape may depend on
each other in any way. The products, and M, their weighted sum, are therefore supermartingales, and M ever reaches 1,000
with a probability of at most 1/1,000 (Ville's inequality). It is a test by betting on a bounded mean: Waudby-Smith and
Ramdas (2024), "Estimating means of bounded random variables by betting".

A tenth of the weight is spread over later beginnings, 1 / (s (s + 1)) on scrape s. From a single beginning, minutes of
good answers would hide for many more minutes that a variant hangs.

The null hypothesis is wrong with few connections that stay open: a Service chooses a pod once for each connection, so
a canary can keep a small share although it answers everything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from canary.plurals import counted
from canary.verdict.evidence import number

LEEWAY = 3
"""How many times as much as a pod of the one variant a pod of the other may answer."""

ALTERNATIVES = ((0.02, 0.4), (0.25, 0.35), (0.6, 0.25))
"""Expected shares of a variant that leaves requests unanswered, as multiples of p0, and their weights."""

LATER = 0.1
"""Weight of all beginnings after the first."""

LIMIT = math.log(1000)
"""Logarithm of the evidence from which PROMOTE is withheld."""

FEWEST = 10
"""Answers of both variants together that a scrape needs; fewer are held back, and added to those of the next."""


@dataclass(frozen=True)
class Answers:
    """What the pods of a variant have answered between two scrapes.

    Pods count by time, because scrapes of two pods may cover different times. Pods that get ready in between make the
    difference between the two times.

    Attributes:
        count: number of answers.
        ready: seconds in which pods were certainly ready, summed over the pods.
        scraped: seconds between the scrapes, summed over the pods.
    """

    count: float = 0.0
    ready: float = 0.0
    scraped: float = 0.0

    def add(self, count: float, ready: float, scraped: float) -> Answers:
        """Return the answers with those of another pod, or of a later scrape."""
        return Answers(self.count + count, self.ready + ready, self.scraped + scraped)


NO_ANSWERS = Answers()


@dataclass(frozen=True)
class Suspicion:
    """The evidence that one variant leaves requests unanswered.

    Attributes:
        logs: logarithm of the weighted products, for each of `ALTERNATIVES`.
        own: answers of this variant since M was last below 1.
        other: answers of the other variant since then.
    """

    logs: tuple[float, ...] = tuple(math.log((1 - LATER) * weight) for _, weight in ALTERNATIVES)
    own: float = 0.0
    other: float = 0.0

    @property
    def log_evidence(self) -> float:
        """Return ln M."""
        return _log_sum(self.logs)

    def add(self, own: Answers, other: Answers, nth: int) -> Suspicion:
        """Return the evidence with the nth scrape, from 1. It is the same if no pod of this variant was ready."""
        expected = own.ready / (LEEWAY * other.scraped + own.ready)
        if not expected:
            return self
        share = own.count / (own.count + other.count)
        logs = tuple(
            _log_sum((log, math.log(LATER * weight / (nth * (nth + 1)))))
            + share * math.log(multiple)
            + (1 - share) * math.log((1 - multiple * expected) / (1 - expected))
            for log, (multiple, weight) in zip(self.logs, ALTERNATIVES, strict=True)
        )
        if _log_sum(logs) < 0:
            return Suspicion(logs)
        return Suspicion(logs, self.own + own.count, self.other + other.count)


@dataclass(frozen=True)
class SampleRatio:
    """Whether canary and baseline answer as many requests as their pods should.

    Attributes:
        canary: evidence that the canary leaves requests unanswered.
        baseline: evidence that the baseline does.
        scrapes: number of scrapes in the evidence.
        held: answers of baseline and canary that are held back: too few, or there are no scrapes of one variant yet.
    """

    canary: Suspicion = Suspicion()
    baseline: Suspicion = Suspicion()
    scrapes: int = 0
    held: tuple[Answers, Answers] = (NO_ANSWERS, NO_ANSWERS)

    def add(self, baseline: Answers, canary: Answers) -> SampleRatio:
        """Return the check with the answers of one more scrape."""
        baseline, canary = (
            held.add(new.count, new.ready, new.scraped) for held, new in zip(self.held, (baseline, canary), strict=True)
        )
        if baseline.count + canary.count < FEWEST or not (baseline.scraped and canary.scraped):
            return replace(self, held=(baseline, canary))
        nth = self.scrapes + 1
        return SampleRatio(self.canary.add(canary, baseline, nth), self.baseline.add(baseline, canary, nth), nth)

    def doubt(self, baseline_pods: int, canary_pods: int) -> str:
        """Return the doubt for which PROMOTE is withheld, empty if there is none.

        Args:
            baseline_pods: number of pods of the baseline, for the sentence.
            canary_pods: number of pods of the canary.
        """
        if self.canary.log_evidence >= LIMIT:
            return _doubt("canary", self.canary, canary_pods, "baseline", baseline_pods)
        if self.baseline.log_evidence >= LIMIT:
            return _doubt("baseline", self.baseline, baseline_pods, "canary", canary_pods)
        return ""

    def as_json(self) -> dict[str, Any]:
        """Return the check as `from_json` reads it."""
        return {
            "canary": _numbers(self.canary),
            "baseline": _numbers(self.baseline),
            "scrapes": self.scrapes,
            "held": [[number(value) for value in (one.count, one.ready, one.scraped)] for one in self.held],
        }

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> SampleRatio:
        """Return the check from the JSON of `as_json`.

        Raises:
            KeyError, TypeError, ValueError: the JSON is something else.
        """
        baseline, canary = (Answers(*map(float, values)) for values in read["held"])
        return cls(
            _suspicion(read["canary"]), _suspicion(read["baseline"]), int(read["scrapes"]), held=(baseline, canary)
        )


def _doubt(name: str, suspicion: Suspicion, pods: int, other: str, pods_of_other: int) -> str:
    pods_ = "as many pods" if pods == pods_of_other else f"{pods} and {counted(pods_of_other, 'pod')}"
    connections = "do clients keep only a few connections open"
    why = f"does it hang, or {connections}"
    if name == "baseline":
        why = f"does it hang, {connections}, or do testers send requests to the canary alone"
    return (
        f"the {name} answered {counted(round(suspicion.own), 'request')}, the {other} {suspicion.other:,.0f}, "
        f"with {pods_}: {why}?"
    )


def _numbers(suspicion: Suspicion) -> list[float | int]:
    return [*suspicion.logs, number(suspicion.own), number(suspicion.other)]


def _suspicion(read: Sequence[Any]) -> Suspicion:
    *logs, own, other = map(float, read)
    if len(logs) != len(ALTERNATIVES):
        raise ValueError(f"{len(logs)} numbers instead of {len(ALTERNATIVES)}")
    return Suspicion(tuple(logs), own, other)


def _log_sum(logs: Iterable[float]) -> float:
    """Return the logarithm of a sum, from the logarithms of its terms."""
    found = tuple(logs)
    most = max(found)
    return most + math.log(sum(math.exp(one - most) for one in found))
