"""What a command did and saw, as one frozen value. All times are Unix seconds, all shares lie in 0–1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from canary.events import Decided, VariantState
from canary.verdict.rule import Decision, Verdict


class Outcome(StrEnum):
    """How a command ended. The JSON Schema of reports explains each."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    WATCHED = "watched"
    UNDECIDED = "undecided"
    UNDONE = "undone"
    UNCHANGED = "unchanged"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class Entry:
    """A line of the timeline.

    Attributes:
        at: Unix seconds.
        event: its kind, such as `ready` or `verdict`.
        text: what happened, in a sentence.
    """

    at: float
    event: str
    text: str


@dataclass(frozen=True)
class Look:
    """The evidence at one look.

    Attributes:
        at: Unix seconds.
        verdict: on everything counted by then.
    """

    at: float
    verdict: Verdict


@dataclass(frozen=True)
class Report:
    """What a command did and saw.

    Attributes:
        version: of canary.
        command: `release`, `watch`, `promote` or `reject`.
        namespace: of the release.
        workloads: names of the stable Deployments.
        outcome: how the command ended.
        verdict: the last one, None where there was none.
        decided: who decided, and what; None if nobody did.
        decided_at: Unix seconds when that was.
        exit_code: of the command.
        error: the command's error message, empty without one.
        began: Unix seconds when the command began.
        ended: the same for its end.
        settings: value and source of each setting, by its key in `canary.yml`.
        images: the images that the release asks for.
        variants: the last state of each variant that was seen.
        timeline: what happened, oldest first.
        looks: the evidence at each look, oldest first.
        next: what can be done now, each as `purpose: command`.
    """

    version: str
    command: str
    namespace: str
    workloads: tuple[str, ...]
    outcome: Outcome
    verdict: Verdict | None
    decided: Decided | None
    decided_at: float
    exit_code: int
    error: str
    began: float
    ended: float
    settings: Mapping[str, Any]
    images: tuple[str, ...] = ()
    variants: tuple[VariantState, ...] = ()
    timeline: tuple[Entry, ...] = ()
    looks: tuple[Look, ...] = ()
    next: tuple[str, ...] = field(default=())

    @property
    def judged(self) -> Verdict | None:
        """The verdict if it says anything: without comparisons, only a crash leads to one."""
        verdict = self.verdict
        if verdict is None or (not verdict.comparisons and verdict.decision is Decision.UNDECIDED):
            return None
        return verdict
