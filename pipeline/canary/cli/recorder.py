"""What happened while a command ran, as far as its result tells it."""

from __future__ import annotations

from dataclasses import dataclass, field

from canary.events import Decided, Differs, Event, Judged, Looked, Promoted, Rejected, RolledBack, Written
from canary.verdict.rule import Verdict


@dataclass
class Happened:
    """A listener that keeps what the result is made of."""

    verdict: Verdict | None = None
    decided: Decided | None = None
    differs: list[Differs] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    promoted: list[Promoted] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    rolled_back: list[RolledBack] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        match event:
            case Looked() | Judged():
                self.verdict = event.verdict
            case Decided():
                self.decided = event
            case Differs():
                self.differs.append(event)
            case Written():
                self.written.append(event)
            case Promoted():
                self.promoted.append(event)
            case Rejected():
                self.rejected.append(event)
            case RolledBack():
                self.rolled_back.append(event)
