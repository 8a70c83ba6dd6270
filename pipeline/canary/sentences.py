"""Events as sentences, for a terminal and for a report."""

from canary.events import (
    Decided,
    Deployed,
    Differs,
    Event,
    Grows,
    HandedOver,
    Judged,
    KeepsWatching,
    Looked,
    Note,
    Promoted,
    Ready,
    Recalled,
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
from canary.times import timestamp
from canary.verdict.comparison import Decision, Verdict


def sentence_of(event: Event) -> str:
    """Return an event in one line, safe to print; empty if there is nothing to say."""
    return printable(_sentence(event)).strip()


def says_something(verdict: Verdict) -> bool:
    """Return whether a verdict has a decision: without comparisons, only a crash leads to one."""
    return bool(verdict.comparisons) or verdict.decision is not Decision.UNDECIDED


def _sentence(event: Event) -> str:
    match event:
        case Started():
            images = f": {', '.join(event.images)}" if event.images else ""
            return f"{event.action} {', '.join(event.workloads)} in namespace {event.namespace}{images}"
        case Written():
            return f"{event.action} {event.kind} {event.name}" + (f": {event.detail}" if event.detail else "")
        case Note():
            return f"warning: {event.text}" if event.warning else event.text
        case Differs():
            return _difference(event)
        case StableChanged():
            return f"stable {event.workload} has changed since {event.since}:"
        case Waiting():
            reason = f": {event.reason}" if event.reason else ""
            return f"{event.name}: {event.ready} of {event.desired:,} pods ready{reason}"
        case Ready():
            return f"{event.name}: {counted(event.pods, 'pod')} ready after {event.seconds:.1f} s"
        case Deployed():
            return f"deployed {event.workload}: its canary runs {', '.join(event.images)}"
        case Recalled():
            return f"compared before, since {timestamp(event.began)}: {_verdict(event.verdict)}"
        case Looked():
            waits = event.waiting_for and event.verdict.decision is not Decision.REJECT
            step = f"{event.step}, " if event.step else ""
            waiting = f"; waiting: {event.waiting_for}" if waits else ""
            expected = f"; expected: {event.forecast}" if event.forecast else ""
            return f"{step}{_verdict(event.verdict)}{waiting}{expected}"
        case Judged():
            return f"verdict {_verdict(event.verdict)}" if says_something(event.verdict) else event.verdict.sentence
        case Grows():
            return f"{event.step}: canary and baseline grow"
        case Decided():
            verdict = f" (verdict: {event.verdict})" if event.verdict else ""
            reason = f": {event.reason}" if event.reason else ""
            return f"decided to {'promote' if event.promote else 'reject'}, by {event.by}{reason}{verdict}"
        case KeepsWatching():
            verdict = f" (verdict: {event.verdict})" if event.verdict else ""
            reason = f": {event.reason}" if event.reason else ""
            return f"decided to keep watching, by {event.by}{reason}{verdict}"
        case HandedOver():
            return f"{event.to} {'promoted' if event.promote else 'rejected'} {' and '.join(event.workloads)}"
        case Promoted():
            return f"promoted {event.workload}: it now runs {', '.join(event.images)}"
        case Rejected():
            deleted = f"; deleted {', '.join(event.deleted)}" if event.deleted else ""
            kept = f"; logs and events are saved to {event.evidence}" if event.evidence else ""
            reason = f" {event.reason}" if event.reason.startswith("by ") else f": {event.reason}"
            return f"rejected {event.workload}{reason}{deleted}{kept}"
        case RolledBack():
            return f"rolled back {event.workload}: it now runs {', '.join(event.images)}"
        case Undone():
            return f"undone: {event.workload} is as it was before, because {event.reason}"
        case _:
            return ""


def _verdict(verdict: Verdict) -> str:
    return f"{verdict.decision}: {verdict.sentence}" if says_something(verdict) else verdict.sentence


def _difference(event: Differs) -> str:
    if event.now:
        text = f"{event.kind} {event.name} changes now, also for stable and baseline; a reject does not undo it"
        return f"warning: {text}"
    would = "would change" if event.difference else "does not exist yet, and stable would use it"
    copy = f"; only the canary gets it, as {event.copy}" if event.copy else ""
    return f"{event.kind} {event.name} {would}: held until promote{copy}"
