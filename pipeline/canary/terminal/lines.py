"""Events as text, one line each."""

from collections.abc import Iterable

from rich.text import Text

from canary.events import (
    Decided,
    Differs,
    Event,
    Grows,
    HandedOver,
    Judged,
    Looked,
    Note,
    Promoted,
    Ready,
    Rejected,
    RolledBack,
    StableChanged,
    Started,
    Undone,
    Waiting,
    Written,
)
from canary.plurals import counted
from canary.printable import printable
from canary.verdict.rule import Decision, Verdict

COLOURS = {Decision.PROMOTE: "green", Decision.REJECT: "red", Decision.UNDECIDED: "yellow"}


def line_of(event: Event) -> Text | None:
    """Return an event as a line, followed by a diff if it has one; None if it is not shown."""
    match event:
        case Started():
            images = f": {', '.join(event.images)}" if event.images else ""
            return _line(f"{event.action} {', '.join(event.workloads)} in namespace {event.namespace}{images}", "bold")
        case Written():
            return _line(f"{event.action} {event.kind} {event.name}" + (f": {event.detail}" if event.detail else ""))
        case Note():
            return _line(f"warning: {event.text}", "yellow") if event.warning else _line(event.text)
        case Differs():
            return _differs(event)
        case StableChanged():
            heading = _line(f"stable {event.workload} has changed since {event.since}:", "yellow")
            return _with_difference(heading, event.difference)
        case Waiting():
            reason = f": {event.reason}" if event.reason else ""
            ready = f"{event.ready} of {event.desired:,} pods ready"
            return _line(f"{event.name}: {ready}{reason}", "yellow" if reason else "")
        case Ready():
            return _line(f"{event.name}: {counted(event.pods, 'pod')} ready after {event.seconds:.1f} s")
        case Looked():
            decision = event.verdict.decision
            waits = event.waiting_for and decision is not Decision.REJECT
            step = f"{event.step}, " if event.step else ""
            waiting = f"; waiting: {event.waiting_for}" if waits else ""
            verdict = f"{decision}: " if _has_verdict(event.verdict) else ""
            return _line(f"{step}{verdict}{event.verdict.sentence}{waiting}")
        case Judged() if not _has_verdict(event.verdict):
            return _line(event.verdict.sentence)
        case Judged():
            decision = event.verdict.decision
            return Text.assemble(
                "verdict ", (str(decision), f"bold {COLOURS[decision]}"), f": {printable(event.verdict.sentence)}"
            )
        case Grows():
            return _line(f"{event.step}: canary and baseline grow", "bold")
        case Decided():
            verdict = f" (verdict: {event.verdict})" if event.verdict else ""
            reason = f": {event.reason}" if event.reason else ""
            return _line(f"decided to {'promote' if event.promote else 'reject'}, by {event.by}{reason}{verdict}")
        case HandedOver():
            action = "promoted" if event.promote else "rejected"
            return _line(f"{event.to} {action} {' and '.join(event.workloads)}", "bold")
        case Promoted():
            return _line(f"promoted {event.workload}: it now runs {', '.join(event.images)}", "bold green")
        case Rejected():
            deleted = f"; deleted {', '.join(event.deleted)}" if event.deleted else ""
            kept = f"; logs and events are saved to {event.evidence}" if event.evidence else ""
            reason = f" {event.reason}" if event.reason.startswith("by ") else f": {event.reason}"
            return _line(f"rejected {event.workload}{reason}{deleted}{kept}", "bold red")
        case RolledBack():
            return _line(f"rolled back {event.workload}: it now runs {', '.join(event.images)}", "bold green")
        case Undone():
            return _line(f"undone: {event.workload} is as it was before, because {event.reason}", "bold red")
        case _:  # the gate shows its question itself
            return None


def _differs(event: Differs) -> Text:
    """Return what happens to an object, and below it how it would change."""
    would = "would change" if event.difference else "does not exist yet, and stable would use it"
    copy = f"; only the canary gets it, as {event.copy}" if event.copy else ""
    heading = _line(f"{event.kind} {event.name} {would}: held until promote{copy}")
    if event.now:
        text = f"{event.kind} {event.name} changes now, also for stable and baseline; a reject does not undo it"
        heading = _line(f"warning: {text}", "yellow")
    return _with_difference(heading, event.difference)


def _with_difference(heading: Text, difference: Iterable[str]) -> Text:
    colours = {"+": "green", "-": "red"}
    lines = (Text(f"  {printable(line)}", colours.get(line[:1], "")) for line in difference)
    return Text("\n").join([heading, *lines])


def _has_verdict(verdict: Verdict) -> bool:
    """Return whether the verdict says anything: without comparisons, only a crash leads to one."""
    return bool(verdict.comparisons) or verdict.decision is not Decision.UNDECIDED


def _line(text: str, style: str = "") -> Text:
    return Text(printable(text).strip(), style)
