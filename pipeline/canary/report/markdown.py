"""A report as Markdown, for the summary of a pipeline's run and for a pull request."""

import re
from collections.abc import Iterator, Sequence

from canary.printable import printable
from canary.report.report import Outcome, Report
from canary.times import timestamp
from canary.verdict.rule import Comparison, decimals

HEADINGS = {
    Outcome.PROMOTED: "was promoted",
    Outcome.REJECTED: "was rejected",
    Outcome.WATCHED: "was watched",
    Outcome.UNDECIDED: "is still undecided",
    Outcome.UNDONE: "could not be promoted: everything is as it was before",
    Outcome.UNCHANGED: "has no canary to reject",
    Outcome.INTERRUPTED: "was interrupted",
    Outcome.FAILED: "failed",
}


def report_as_markdown(report: Report) -> str:
    """Return the report as GitHub-flavored Markdown."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    what = f"The release of {' and '.join(report.workloads)}" if report.workloads else f"canary {report.command}"
    yield f"## {escaped(what)} {HEADINGS[report.outcome]}"
    yield ""
    if report.judged is not None:
        yield f"**{report.judged.decision}**: {escaped(report.judged.sentence)}"
        yield ""
    elif report.verdict is not None:
        yield escaped(report.verdict.sentence)
        yield ""
    if report.error:
        yield f"> {escaped(report.error)}"
        yield ""
    if report.variants:
        rows = [
            (
                f"{one.workload} {one.variant}",
                f"{one.ready} of {one.desired}",
                f"{one.total:,.0f}",
                _share(one.good, one.total),
            )
            for one in report.variants
        ]
        yield from _table(("Variant", "Pods ready", "Requests", "Good"), rows)
    if report.judged is not None and report.judged.comparisons:
        yield from _table(
            ("Metric", "Difference", "Interval", "Tolerance", "Decision"),
            [_row(one) for one in report.judged.comparisons],
        )
    if report.decided is not None:
        action = "promote" if report.decided.promote else "reject"
        yield f"Decided by {escaped(report.decided.by)}: {action}"
        yield ""
    if report.next:
        yield "What you can do now:"
        yield ""
        yield from (f"* {escaped(one)}" for one in report.next)
        yield ""
    if report.timeline:
        yield f"<details><summary>Timeline ({len(report.timeline)} events)</summary>"
        yield ""
        yield from _table(("Time", "Event"), [(timestamp(one.at), one.text) for one in report.timeline])
        yield "</details>"


def escaped(text: str) -> str:
    """Return text from elsewhere so that Markdown and HTML show it as it is, in one line and in a table's cell."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|~>@:/])", r"\\\1", printable(text).replace("&", "&amp;").replace("<", "&lt;"))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(map(escaped, row))} |" for row in rows)
    yield ""


def _row(one: Comparison) -> Sequence[str]:
    digits = decimals(one.tolerance)
    points = [f"{value * 100:+.{digits}f}" for value in (one.difference or 0.0, *one.interval)]
    return (
        f"{one.workload} {one.metric}",
        "-" if one.difference is None else f"{points[0]} points",
        f"{points[1]} to {points[2]}",
        "-" if one.tolerance is None else f"{one.tolerance * 100:.{digits}f} points",
        str(one.decision),
    )


def _share(good: float, total: float) -> str:
    return f"{good / total * 100:.1f} %" if total else "-"
