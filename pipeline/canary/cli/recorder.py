"""A listener that records what the result of a command is made of."""

from dataclasses import dataclass, field

from canary.events import Differs, Event, HandedOver, Judged, Looked, Promoted, Rejected, RolledBack, Written
from canary.verdict.comparison import Verdict


@dataclass
class Recorder:
    """Keeps the last verdict, and the events that results consist of."""

    verdict: Verdict | None = None
    differs: list[Differs] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    promoted: list[Promoted] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    handed_over: list[HandedOver] = field(default_factory=list)
    rolled_back: list[RolledBack] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Record an event."""
        match event:
            case Looked() | Judged():
                self.verdict = event.verdict
            case Differs():
                self.differs.append(event)
            case Written():
                self.written.append(event)
            case Promoted():
                self.promoted.append(event)
            case Rejected():
                self.rejected.append(event)
            case HandedOver():
                self.handed_over.append(event)
            case RolledBack():
                self.rolled_back.append(event)
