"""Events in words, one line each."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from canary.events import (
    Decided,
    Differs,
    Event,
    Grows,
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


def words(event: Event) -> Text | None:
    """Return what happened, None where it needs no words."""
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
            told = _line(f"stable {event.workload} has changed since {event.since}:", "yellow")
            return _with_difference(told, event.difference)
        case Waiting():
            reason = f": {event.reason}" if event.reason else ""
            ready = f"{event.ready} of {counted(event.desired, 'pod')} ready"
            return _line(f"{event.name}: {ready}{reason}", "yellow" if reason else "")
        case Ready():
            return _line(f"{event.name}: {counted(event.pods, 'pod')} ready after {event.seconds:.1f} s")
        case Looked():
            decision = event.verdict.decision
            waits = event.waiting_for and decision is not Decision.REJECT
            step = f"{event.step}, " if event.step else ""
            waiting = f"; waiting: {event.waiting_for}" if waits else ""
            verdict = f"{decision}: " if _compared(event.verdict) else ""
            return _line(f"{step}{verdict}{event.verdict.sentence}{waiting}")
        case Judged() if not _compared(event.verdict):
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
            return _line(f"decided to {'promote' if event.promote else 'reject'}, by {event.by}{verdict}")
        case Promoted():
            return _line(f"promoted {event.workload}: it runs {', '.join(event.images)} now", "bold green")
        case Rejected():
            deleted = f"; deleted {', '.join(event.deleted)}" if event.deleted else ""
            kept = f"; logs and events are saved to {event.evidence}" if event.evidence else ""
            reason = f" {event.reason}" if event.reason.startswith("by ") else f": {event.reason}"
            return _line(f"rejected {event.workload}{reason}{deleted}{kept}", "bold red")
        case RolledBack():
            return _line(f"rolled back {event.workload}: it runs {', '.join(event.images)} now", "bold green")
        case Undone():
            return _line(f"undone: {event.workload} is what it was before, as {event.reason}", "bold red")
        case _:  # a question is put by who asks it
            return None


def _differs(event: Differs) -> Text:
    """Return what becomes of an object, and below it what would change of it."""
    would = "would change" if event.difference else "is not there, and stable would find it"
    copy = f"; the canary alone gets it, as {event.copy}" if event.copy else ""
    told = _line(f"{event.kind} {event.name} {would}: held until promote{copy}")
    if event.now:
        text = f"{event.kind} {event.name} changes now, for stable and baseline as well; a reject does not undo it"
        told = _line(f"warning: {text}", "yellow")
    return _with_difference(told, event.difference)


def _with_difference(told: Text, difference: Iterable[str]) -> Text:
    colours = {"+": "green", "-": "red"}
    lines = (Text(f"  {printable(line)}", colours.get(line[:1], "")) for line in difference)
    return Text("\n").join([told, *lines])


def _compared(verdict: Verdict) -> bool:
    """Return whether there is a verdict at all: without comparisons only a crash makes one."""
    return bool(verdict.comparisons) or verdict.decision is not Decision.UNDECIDED


def _line(text: str, style: str = "") -> Text:
    return Text(printable(text).strip(), style)
