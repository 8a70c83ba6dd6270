"""The rule on counts of the past: what it would have said, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from canary.verdict.comparison import Decision, Verdict
from canary.verdict.looks import Counts
from canary.verdict.rule import combine, compare_strata, withheld_without_good
from canary.verdict.strata import Strata


@dataclass(frozen=True)
class Replay:
    """What the rule says about counts at each look.

    Attributes:
        counts: of each metric of each workload, with the tolerance that it was judged by.
        verdicts: Unix seconds of each look, oldest first, and the verdict then.
    """

    counts: tuple[Counts, ...]
    verdicts: tuple[tuple[float, Verdict], ...]

    @property
    def decided(self) -> int | None:
        """Return the place of the first verdict with a decision, None if all are UNDECIDED."""
        decisions = (verdict.decision for _, verdict in self.verdicts)
        return next((place for place, decision in enumerate(decisions) if decision is not Decision.UNDECIDED), None)


def replay(counts: Sequence[Counts]) -> Replay:
    """Return what the rule says about counts. Each look is compared as one scrape.

    Raises:
        InputError: an error level or a tolerance lies outside its range.
    """
    strata = [Strata(one.tolerance) for one in counts]
    verdicts = []
    by_time = [{look.at: look for look in one.looks} for one in counts]
    for at in sorted({at for looks in by_time for at in looks}):
        for place, looks in enumerate(by_time):
            if look := looks.get(at):
                known = strata[place]
                strata[place] = known.add(look.baseline.since(known.baseline), look.canary.since(known.canary))
        compared = [
            compare_strata(
                known, alpha=one.alpha, comparisons=one.comparisons, metric=one.metric, workload=one.workload
            )
            for one, known in zip(counts, strata, strict=True)
        ]
        verdicts.append((at, withheld_without_good(combine(compared))))
    return Replay(tuple(counts), tuple(verdicts))
