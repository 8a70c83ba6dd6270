"""What a release knows of itself, as a value. `counts.py` keeps it in the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from canary.verdict.history import History
from canary.verdict.rule import Decision
from canary.verdict.tally import Tally

LONGEST_GAP = 60.0
"""Seconds between two looks above which nobody was watching: the driver was away, or the machine slept. Where looks are
rarer by themselves, it is twice the time between them."""


@dataclass(frozen=True)
class Record:
    """What was found out so far.

    Attributes:
        began: Unix seconds when the first driver began to watch.
        tally: everything counted.
        decision: the last verdict's.
        sentence: the last verdict for a person, empty before the first.
        watched: seconds of watching that count at the step at hand: those between two successive looks, not too far
            apart (`LONGEST_GAP`), at both of which every pod of canary and baseline told its counts.
        seen_at: Unix seconds of the last look if it was one of those, None if it was not.
        histories: how the evidence grew, by workload.
    """

    began: float
    tally: Tally
    decision: Decision = Decision.UNDECIDED
    sentence: str = ""
    watched: float = 0.0
    seen_at: float | None = None
    histories: Mapping[str, History] = field(default_factory=dict)

    def looked(self, at: float, tally: Tally, *, complete: bool, interval: float = 0.0) -> Record:
        """Return the record after a look.

        Args:
            at: Unix seconds of the look.
            tally: everything counted by then.
            complete: whether there were pods of canary and baseline, and every one told its counts.
            interval: seconds that are to lie between two looks.
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

    def at_new_step(self) -> Record:
        """Return the record with no time and no requests at the step at hand yet; the evidence stays."""
        return replace(self, tally=self.tally.at_new_step(), watched=0.0, seen_at=None)


def joined(parts: Iterable[Record]) -> Record:
    """Return the record of a release from those of its workloads, of which there is one at least.

    Drivers write them one after the other, and may be stopped in between: the most cautious one holds.
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
    )
