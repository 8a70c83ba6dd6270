"""What report.md and report.html both say: heading, tables and decision, as plain text that is not escaped yet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from canary.report.report import Outcome, Report
from canary.times import readable
from canary.verdict.comparison import Comparison, Decision
from canary.verdict.multiples import times
from canary.verdict.tolerance import Multiple
from canary.verdict.wording import precision

WATCHED = {
    Decision.PROMOTE: "The canary of {} can be promoted",
    Decision.REJECT: "The canary of {} should be rejected",
    Decision.UNDECIDED: "The canary of {} is undecided",
}
HEADINGS = {
    Outcome.PROMOTED: "Promoted {}",
    Outcome.REJECTED: "Rejected the canary of {}",
    Outcome.WATCHED: "The canary of {} has nothing to be compared with",
    Outcome.UNDECIDED: "The canary of {} is undecided",
    Outcome.UNDONE: "The promote of {} failed and was undone",
    Outcome.UNCHANGED: "Nothing to do for {}",
    Outcome.INTERRUPTED: "The canary release of {} was interrupted",
    Outcome.FAILED: "The canary release of {} failed",
}
NEXT = "What you can do now"
TIMELINE = "Timeline"

VARIANT_COLUMNS = ("Variant", "Image", "Pods ready", "Requests", "Good")
COMPARISON_COLUMNS = ("Metric", "Difference", "Interval", "Tolerance", "Decision")


@dataclass(frozen=True)
class NextStep:
    """Something that can be done now.

    Attributes:
        purpose: what for.
        command: the command line, empty if there is none.
    """

    purpose: str
    command: str


def heading(report: Report) -> str:
    """Return the outcome in one line."""
    names = " and ".join(report.context.workloads) or f"namespace {report.context.namespace}"
    template = HEADINGS[report.outcome]
    if report.outcome is Outcome.WATCHED and report.judged:
        template = WATCHED[report.judged.decision]
    images = f" to {', '.join(report.images)}" if report.outcome is Outcome.PROMOTED and report.images else ""
    return template.format(names) + images


def variant_rows(report: Report) -> Iterator[Sequence[str]]:
    """Yield a row of `VARIANT_COLUMNS` for each variant."""
    many = len({one.workload for one in report.variants}) > 1
    for one in report.variants:
        yield (
            f"{one.workload} {one.variant}" if many else str(one.variant),
            ", ".join(one.images),
            f"{one.ready} of {one.desired}",
            f"{one.total:,.0f}",
            share(one.good, one.total),
        )


def share(good: float, total: float) -> str:
    """Return the share of good requests, empty without requests."""
    return f"{good / total * 100:.1f} %" if total else ""


def comparison_row(one: Comparison, *, many: bool) -> Sequence[str]:
    """Return the row of `COMPARISON_COLUMNS` for a comparison.

    Args:
        one: the comparison.
        many: whether the release has several workloads, so that the row names this one.
    """
    what = f"{one.workload} {one.metric}" if many else one.metric
    return (what, difference(one), interval(one), tolerance(one), str(one.decision))


def difference(one: Comparison) -> str:
    """Return the difference, or the ratio of errors with a relative tolerance; empty without requests."""
    if isinstance(one.tolerance, Multiple):
        return "" if one.ratio is None else f"{times(one.ratio, one.tolerance)} times the errors"
    return "" if one.difference is None else f"{one.difference * 100:+.{precision(one)}f} points"


def interval(one: Comparison) -> str:
    """Return the interval of that."""
    if isinstance(one.tolerance, Multiple):
        low, high = (times(end, one.tolerance) for end in one.ratio_interval)
        return f"{low} to {high} times"
    low, high = (f"{end * 100:+.{precision(one)}f}" for end in one.interval)
    return f"{low} to {high}"


def tolerance(one: Comparison) -> str:
    """Return the tolerance, empty if none is set."""
    if isinstance(one.tolerance, Multiple):
        return str(one.tolerance)
    return "" if one.tolerance is None else f"{one.tolerance * 100:.{precision(one)}f} points"


def decided(report: Report) -> str:
    """Return who decided what, when and why; empty if nobody did."""
    if not report.decided:
        return ""
    action, reason = "promote" if report.decided.promote else "reject", report.decided.reason
    why = f": {reason}" if reason else ""
    return f"Decided to {action} by {report.decided.by} at {readable(report.decided_at)}{why}"


def next_steps(report: Report) -> Iterator[NextStep]:
    """Yield what can be done now."""
    for step in report.context.next:
        purpose, _, command = step.partition(": canary ")
        yield NextStep(purpose, f"canary {command}" if command else "")
