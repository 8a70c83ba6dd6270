"""What a release has counted and judged so far, as a value. `counts.py` saves it in the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from canary.verdict.comparison import Decision
from canary.verdict.forecast import Forecast
from canary.verdict.history import History
from canary.verdict.measures import Measures
from canary.verdict.strata import Strata
from canary.verdict.tally import Tally

LONGEST_GAP = 60.0
"""Most seconds between two looks that count as watching: after more, the driver was away, or the machine slept. With a
longer `interval`, it is twice the interval."""


@dataclass(frozen=True)
class LastLook:
    """What the last look saw besides the counts.

    Attributes:
        interval: intended seconds until the next one.
        waiting_for: what stood before the verdict was acted on, empty if nothing did.
        missing: pods of canary and baseline whose counts could not be read, by name, and why.
    """

    interval: float
    waiting_for: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """What was counted and judged so far.

    Attributes:
        began: Unix seconds when the first driver began to watch.
        tally: everything counted.
        decision: of the last verdict.
        sentence: the last verdict for a person, empty before the first.
        watched: seconds of watching that count at the current step: the time between two successive looks, not too far
            apart (`LONGEST_GAP`), at both of which every pod of canary and baseline reported its counts.
        seen_at: Unix seconds of the last look if it was one of those, None if it was not.
        histories: how the evidence grew, by workload.
        measures: what the last look compared by; None before the first, and where an older driver saved the record.
        alpha: error level of the verdict at the last look.
        forecast: the decision to expect, as of the last look; None if there was one or if that could not be said.
        last_look: the last look at the current step; None before it, and where an older driver saved the record.
    """

    began: float
    tally: Tally
    decision: Decision = Decision.UNDECIDED
    sentence: str = ""
    watched: float = 0.0
    seen_at: float | None = None
    histories: Mapping[str, History] = field(default_factory=dict)
    measures: Measures | None = None
    alpha: float = 0.05
    forecast: Forecast | None = None
    last_look: LastLook | None = None

    def looked(self, at: float, tally: Tally, *, complete: bool, interval: float = 0.0) -> Record:
        """Return the record after a look.

        Args:
            at: Unix seconds of the look.
            tally: everything counted by then.
            complete: whether there were pods of canary and baseline, and each one reported its counts.
            interval: intended seconds between two looks.
        """
        gap = at - self.seen_at if complete and self.seen_at is not None else 0.0
        return replace(
            self,
            tally=tally,
            watched=self.watched + (gap if 0.0 < gap <= max(LONGEST_GAP, 2 * interval) else 0.0),
            seen_at=at if complete else None,
            histories={
                one: self.histories.get(one, History()).add(at, tally.of(one), self.seen_at) for one in tally.workloads
            },
        )

    def comparing(self, measures: Measures) -> Record:
        """Return the record with strata for the tolerances of these measures.

        Evidence is about one tolerance. Where another one was compared by, or an older driver saved no strata, those of
        the history take their place.
        """
        tally = self.tally
        for workload, history in self.histories.items():
            for metric in measures.metrics:
                strata = tally.strata(workload, metric)
                if strata.tolerance != metric.tolerance or strata == Strata(metric.tolerance):
                    tally = tally.with_strata(workload, metric.name, history.strata(metric.name, metric.tolerance))
        return replace(self, tally=tally)

    def at_new_step(self) -> Record:
        """Return the record with no time and no requests at the current step yet; the evidence stays."""
        return replace(self, tally=self.tally.at_new_step(), watched=0.0, seen_at=None, forecast=None, last_look=None)


def joined(parts: Iterable[Record]) -> Record:
    """Return the record of a release from those of its workloads, at least one.

    A driver writes them one after the other and can be stopped in between, so the most cautious value counts.
    """
    return reduce(_joined, parts)


def _joined(one: Record, other: Record) -> Record:
    worse = other if other.decision is Decision.REJECT and one.decision is not Decision.REJECT else one
    seen = [at for at in (one.seen_at, other.seen_at) if at is not None]
    return Record(
        min(one.began, other.began),
        one.tally.joined(other.tally),
        worse.decision,
        worse.sentence,
        min(one.watched, other.watched),
        min(seen) if len(seen) == 2 else None,
        {**one.histories, **other.histories},
        one.measures or other.measures,
        one.alpha,
        one.forecast or other.forecast,
        one.last_look or other.last_look,
    )
