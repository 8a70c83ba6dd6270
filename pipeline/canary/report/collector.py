"""A listener that collects the events of a command for its report."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from canary.errors import ExitCode
from canary.events import (
    Decided,
    Event,
    Grows,
    Judged,
    Looked,
    Note,
    Promoted,
    Ready,
    Rejected,
    StableChanged,
    Started,
    Undone,
    VariantState,
    Written,
)
from canary.report.report import Entry, Look, Outcome, Report
from canary.verdict.rule import Verdict


class Collector:
    """Hears every event of one command."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Begin now; `now` returns Unix seconds."""
        self._now = now
        self._began = now()
        self._timeline: list[Entry] = []
        self._looks: list[Look] = []
        self._started: Started | None = None
        self._images: tuple[str, ...] = ()
        self._variants: tuple[VariantState, ...] = ()
        self._verdict: Verdict | None = None
        self._told: tuple[str, str] = ("", "")
        self._decided: tuple[float, Decided] | None = None
        self._ends: set[type[Event]] = set()

    def __call__(self, event: Event) -> None:
        """Collect an event."""
        match event:
            case Started():
                self._started, self._images = event, event.images or self._images
            case Looked():
                self._looks.append(Look(event.at, event.verdict))
                self._variants, self._verdict = event.variants, event.verdict
            case Judged():
                self._verdict = event.verdict
            case Decided():
                self._decided = self._now(), event
            case _:
                pass
        self._ends.add(type(event))
        for kind, text in self._entry(event):
            self._timeline.append(Entry(self._now(), kind, text))

    def report(
        self,
        *,
        version: str,
        command: str,
        namespace: str,
        code: int,
        error: str,
        settings: Mapping[str, Any],
        next_steps: Sequence[str] = (),
    ) -> Report:
        """Return the report of the command, which ends now."""
        at, decided = self._decided or (0.0, None)
        return Report(
            version=version,
            command=command,
            namespace=self._started.namespace if self._started else namespace,
            workloads=self._started.workloads if self._started else (),
            outcome=self._outcome(code, error),
            verdict=self._verdict,
            decided=decided,
            decided_at=at,
            exit_code=code,
            error=error,
            began=self._began,
            ended=self._now(),
            settings=settings,
            images=self._images,
            variants=self._variants,
            timeline=tuple(self._timeline),
            looks=tuple(self._looks),
            next=tuple(next_steps),
        )

    def _outcome(self, code: int, error: str) -> Outcome:
        heard = self._ends
        if code == ExitCode.INTERRUPTED:
            return Outcome.INTERRUPTED
        if error and Undone in heard:
            return Outcome.UNDONE
        if error:
            is_late = code == ExitCode.TIMED_OUT and self._timeline and self._timeline[-1].event == "judged"
            return Outcome.UNDECIDED if is_late else Outcome.FAILED
        if Promoted in heard:
            return Outcome.PROMOTED
        if Rejected in heard:
            return Outcome.REJECTED
        return Outcome.WATCHED if Judged in heard else Outcome.UNCHANGED

    def _entry(self, event: Event) -> list[tuple[str, str]]:
        """Return kind and text of an event's line in the timeline, none if it is not worth one."""
        kind = type(event).__name__.lower()
        match event:
            case Started():
                return [(kind, f"{event.action} {', '.join(event.workloads)}")]
            case Written() if event.action != "unchanged":
                return [(kind, f"{event.action} {event.kind} {event.name}" + (event.detail and f": {event.detail}"))]
            case Ready():
                return [(kind, f"{event.name}: {event.pods} pods ready after {event.seconds:.1f} s")]
            case Note() if event.warning:
                return [("warning", event.text)]
            case StableChanged():
                return [(kind, f"stable {event.workload} has changed since {event.since}")]
            case Looked():
                told = (event.verdict.decision, str(event.step))
                if told == self._told or event.last:
                    return []
                self._told = told
                return [(kind, f"{event.verdict.decision}: {event.verdict.sentence}")]
            case Judged():
                return [(kind, f"verdict {event.verdict.decision}: {event.verdict.sentence}")]
            case Grows():
                return [(kind, f"{event.step}: canary and baseline grow")]
            case Decided():
                return [(kind, f"decided to {'promote' if event.promote else 'reject'}, by {event.by}")]
            case Promoted():
                return [(kind, f"promoted {event.workload}: it now runs {', '.join(event.images)}")]
            case Rejected():
                return [(kind, f"rejected {event.workload}: {event.reason}")]
            case Undone():
                return [(kind, f"undone: {event.workload} is as it was before, because {event.reason}")]
            case _:
                return []
