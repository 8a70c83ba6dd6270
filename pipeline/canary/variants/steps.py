"""Steps: the sizes that canary and baseline take one after another. The one at hand stands on the canary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from canary.marks import STEP, STEPS
from canary.objects import Object


@dataclass(frozen=True)
class Step:
    """One of the sizes that a release takes.

    Attributes:
        percentage: size of canary and baseline, in percent of stable's pods.
        steps: all sizes of the release, this one among them, rising.
    """

    percentage: int
    steps: tuple[int, ...]

    @property
    def number(self) -> int:
        """Return which one it is, from 1 on."""
        return self.steps.index(self.percentage) + 1

    @property
    def following(self) -> tuple[Step, ...]:
        """Return the steps after this one."""
        return tuple(Step(percentage, self.steps) for percentage in self.steps[self.number :])

    @property
    def annotations(self) -> dict[str, str]:
        """Return what a canary carries at this step."""
        return {STEP: str(self.percentage), STEPS: ",".join(map(str, self.steps))}

    def __str__(self) -> str:
        return f"step {self.number} of {len(self.steps)} ({self.percentage} %)"


def step_of(canary: Object) -> Step | None:
    """Return the step that a canary is at, None where it does not say so, or not as we would."""
    annotations = canary["metadata"].get("annotations") or {}
    try:
        percentage, steps = int(annotations[STEP]), tuple(int(one) for one in annotations[STEPS].split(","))
    except (KeyError, ValueError):
        return None
    return Step(percentage, steps) if percentage in steps else None


def step_at_hand(steps: tuple[int, ...], canaries: Iterable[Object]) -> Step:
    """Return where a release that takes these steps goes on: at the furthest one that a canary has got to.

    A release whose canaries are at none of these steps, or that has none yet, begins with the first.
    """
    found = (step_of(canary) for canary in canaries)
    reached = [one.percentage for one in found if one is not None and one.percentage in steps]
    return Step(max(reached, default=steps[0]), steps)
