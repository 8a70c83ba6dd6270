"""Steps: the sizes of canary and baseline, one after another. The canary's annotations have the current step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from canary.marks import STEP, STEPS
from canary.objects import Object, annotations_of


@dataclass(frozen=True)
class Step:
    """One of the sizes of a release.

    Attributes:
        percentage: size of canary and baseline, in percent of stable's pods; of all requests if a route divides them.
        steps: all sizes of the release, in rising order, including this one.
    """

    percentage: float
    steps: tuple[float, ...]

    @property
    def number(self) -> int:
        """Return the number of the step, starting at 1."""
        return self.steps.index(self.percentage) + 1

    @property
    def following(self) -> tuple[Step, ...]:
        """Return the steps after this one."""
        return tuple(Step(percentage, self.steps) for percentage in self.steps[self.number :])

    @property
    def annotations(self) -> dict[str, str]:
        """Return the annotations of a canary at this step."""
        return {STEP: str(self.percentage), STEPS: ",".join(map(str, self.steps))}

    def __str__(self) -> str:
        return f"step {self.number} of {len(self.steps)} ({self.percentage} %)"


def step_of(canary: Object) -> Step | None:
    """Return a canary's current step, None if its annotations have none or an invalid one."""
    annotations = annotations_of(canary)
    try:
        percentage, *steps = (_number(text) for text in (annotations[STEP], *annotations[STEPS].split(",")))
    except (KeyError, ValueError):
        return None
    return Step(percentage, tuple(steps)) if percentage in steps else None


def step_at_hand(steps: tuple[float, ...], canaries: Iterable[Object]) -> Step:
    """Return the step at which a release continues: the highest one that any canary has reached.

    Without canaries at these steps, it is the first.
    """
    current = [step_of(canary) for canary in canaries]
    reached = [step.percentage for step in current if step is not None and step.percentage in steps]
    return Step(max(reached, default=steps[0]), steps)


def _number(text: str) -> float:
    """Return a percentage from an annotation."""
    number = float(text)
    if not 0 <= number <= 100:
        raise ValueError(text)
    return int(number) if number == int(number) else number
