"""What other systems are told about a release, derived from its events."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from canary.events import (
    Decided,
    Deployed,
    Event,
    Judged,
    KeepsWatching,
    Promoted,
    Rejected,
    RolledBack,
    Started,
    Undone,
)
from canary.marks import Variant, variant_name
from canary.objects import Object
from canary.printable import printable
from canary.sentences import says_something, sentence_of
from canary.verdict.comparison import Decision, Verdict


class Occasion(StrEnum):
    """What a notification is about."""

    DEPLOYED = "deployed"
    VERDICT = "verdict"
    PROMOTED = "promoted"
    REJECTED = "rejected"
    UNDONE = "undone"
    ROLLED_BACK = "rolled-back"
    WATCHING = "keeps-watching"


@dataclass(frozen=True)
class Notification:
    """One thing that happened to one workload.

    Attributes:
        occasion: what happened.
        namespace: of the workload.
        workload: the stable Deployment's name.
        sentence: what happened, for a person.
        at: when, in Unix seconds.
        images: what the canary or, after a promote or a rollback, stable runs. None where this command cannot tell.
        decision: the verdict, or what was decided. None where there is none.
        by: who decided, None if nobody did: `auto` (the verdict), a person at the gate, or who ran the command.
        is_warning: whether somebody should look at it.
        canary: the canary's Deployment, as it was when the command started or deployed it. None if there is none.
    """

    occasion: Occasion
    namespace: str
    workload: str
    sentence: str
    at: float
    images: tuple[str, ...] = ()
    decision: Decision | None = None
    by: str | None = None
    is_warning: bool = False
    canary: Object | None = None


class Notifications:
    """Derives notifications from the events of one command."""

    def __init__(
        self, person: str, now: Callable[[], float], read_canary: Callable[[str], Object | None] = lambda _: None
    ) -> None:
        """Start without any event.

        Args:
            person: who runs the command.
            now: returns Unix seconds.
            read_canary: returns the canary of a workload, None if there is none or it cannot be read.
        """
        self._by = person
        self._now = now
        self._read_canary = read_canary
        self._namespace = ""
        self._workloads: tuple[str, ...] = ()
        self._images: dict[str, tuple[str, ...]] = {}
        self._canaries: dict[str, Object | None] = {}

    def of(self, event: Event) -> tuple[Notification, ...]:
        """Return what an event is told as: nothing, or one notification for each workload that it is about."""
        match event:
            case Started():
                self._namespace, self._workloads = event.namespace, event.workloads
                for workload in event.workloads:  # now, as a promote or a reject deletes it
                    self._canaries[workload] = self._read_canary(workload)
            case Decided():
                self._by = event.by
            case Deployed(workload, images):
                self._images[workload], self._canaries[workload] = images, self._read_canary(workload)
                canary = variant_name(workload, Variant.CANARY)
                return (self._about(workload, Occasion.DEPLOYED, f"deployed {canary}: it runs {', '.join(images)}"),)
            case KeepsWatching(by):
                return tuple(
                    self._about(workload, Occasion.WATCHING, sentence_of(event), by=by) for workload in self._workloads
                )
            case Judged(verdict):
                return tuple(self._verdict(workload, verdict) for workload in self._workloads)
            case Promoted(workload, images):
                self._images[workload] = images
                return (self._about(workload, Occasion.PROMOTED, sentence_of(event), Decision.PROMOTE, by=self._by),)
            case Rejected(workload):
                text = sentence_of(
                    replace(event, deleted=(), evidence="")
                )  # a path of this machine is of no use elsewhere
                return (self._about(workload, Occasion.REJECTED, text, Decision.REJECT, by=self._by, is_warning=True),)
            case RolledBack(workload, images):
                self._images[workload] = images
                return (self._about(workload, Occasion.ROLLED_BACK, sentence_of(event), by=self._by, is_warning=True),)
            case Undone(workload):
                return (self._about(workload, Occasion.UNDONE, sentence_of(event), by=self._by, is_warning=True),)
        return ()

    def _verdict(self, workload: str, verdict: Verdict) -> Notification:
        is_rejected = verdict.decision is Decision.REJECT
        text = f"{verdict.decision}: {verdict.sentence}" if says_something(verdict) else verdict.sentence
        return self._about(workload, Occasion.VERDICT, text, verdict.decision, is_warning=is_rejected)

    def _about(
        self,
        workload: str,
        occasion: Occasion,
        sentence: str,
        decision: Decision | None = None,
        *,
        by: str | None = None,
        is_warning: bool = False,
    ) -> Notification:
        return Notification(
            occasion,
            self._namespace,
            workload,
            printable(sentence),
            self._now(),
            self._images.get(workload, ()),
            decision,
            by,
            is_warning,
            self._canaries.get(workload),
        )
