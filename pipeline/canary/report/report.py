"""What a command did and saw, as one frozen value. All times are Unix seconds, all shares lie in 0–1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from canary.chart.over_time import Point
from canary.events import Decided, HandedOver, Promoted, Rejected, Undone, VariantState
from canary.sentences import says_something
from canary.verdict.comparison import Decision, Verdict
from canary.verdict.forecast import Forecast
from canary.verdict.looks import Counts


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
        event: its kind, such as `ready` or `judged`.
        text: what happened, in a sentence.
    """

    at: float
    event: str
    text: str


@dataclass(frozen=True)
class Context:
    """What the events of a command do not tell.

    Attributes:
        version: of canary.
        command: `release`, `watch`, `promote` or `reject`.
        namespace: of the release.
        workloads: names of the stable Deployments, as far as they are known.
        exit_code: of the command.
        error: the command's error message, empty without one.
        settings: value and source of each setting, by its key in `canary.yml`.
        decided: what the command itself decides, and who runs it; None if it decides nothing by itself.
        next: what can be done now, each as `purpose: command`.
    """

    version: str
    command: str
    namespace: str
    workloads: tuple[str, ...]
    exit_code: int
    error: str
    settings: Mapping[str, Any]
    decided: Decided | None = None
    next: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """What this command's own looks have said of a metric of a workload.

    Attributes:
        points: the difference and its interval at each look, oldest first.
        said_since: Unix seconds since when the comparison has had the same decision, and that.
    """

    points: tuple[Point, ...]
    said_since: tuple[float, Decision]


@dataclass(frozen=True)
class Report:
    """What a command did and saw.

    Attributes:
        context: what its events do not tell.
        outcome: how the command ended.
        verdict: the last one, None where there was none.
        decided: who decided, and what; None if nobody did.
        decided_at: Unix seconds when that was.
        began: Unix seconds when the command began.
        ended: the same for its end.
        images: the images that the release asks for.
        variants: the last state of each variant that was seen.
        promoted: the workloads that were promoted.
        rejected: those that were rejected.
        undone: those whose promote was undone.
        handed_over: the driver that carried out the decision of this command, None if this command did.
        timeline: what happened, oldest first.
        counts: of each metric of each workload.
        forecast: the decision to expect, as of the last look; None if there was one or if that could not be said.
        progress: what the looks of this command said, by workload and metric.
    """

    context: Context
    outcome: Outcome
    verdict: Verdict | None
    decided: Decided | None
    decided_at: float
    began: float
    ended: float
    images: tuple[str, ...] = ()
    variants: tuple[VariantState, ...] = ()
    promoted: tuple[Promoted, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    undone: tuple[Undone, ...] = ()
    handed_over: HandedOver | None = None
    timeline: tuple[Entry, ...] = ()
    counts: tuple[Counts, ...] = ()
    forecast: Forecast | None = None
    progress: Mapping[tuple[str, str], Progress] = field(default_factory=dict)

    @property
    def judged(self) -> Verdict | None:
        """The verdict if it has a decision."""
        return self.verdict if self.verdict and says_something(self.verdict) else None
