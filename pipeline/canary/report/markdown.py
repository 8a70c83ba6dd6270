"""A report as GitHub-flavored Markdown, for the summary of a pipeline's run and for a pull request.

Everything that comes from outside (names, images, reasons, messages) is escaped: it can add neither Markdown nor HTML.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from canary.plurals import counted
from canary.printable import printable
from canary.report.report import Outcome, Report
from canary.times import timestamp
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

_LINK = re.compile(
    r"""(?<!\w)[@#](?=\w)  # @ada mentions a user, #12 an issue
    | [#!](?=\d)           # octo/repo#12, and !12 in Azure Repos
    | gh-(?=\d)            # GH-7
    | :(?=//)              # https://example.com
    | www(?=\.)            # www.example.com
    | @(?=[-\w]+\.)        # ada@example.com
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Where GitHub or Azure DevOps would see a link. A zero-width space after it prevents that."""


def report_as_markdown(report: Report) -> str:
    """Return the report as Markdown."""
    return "\n".join(_lines(report)).rstrip() + "\n"


def _lines(report: Report) -> Iterator[str]:
    context, judged = report.context, report.judged
    yield f"## {_heading(report)}\n"
    if judged:
        yield f"**{judged.decision}**: {_inline(judged.sentence)}\n"
    elif report.verdict and report.verdict.sentence:
        yield f"{escaped(report.verdict.sentence)}\n"
    if context.error:
        yield f"> {escaped(context.error)}\n"
    if report.variants:
        head = ("Variant", "Image", "Pods ready", "Requests", "Good")
        many = len({one.workload for one in report.variants}) > 1
        yield from _table(
            head,
            (
                (
                    f"{one.workload} {one.variant}" if many else str(one.variant),
                    ", ".join(one.images),
                    f"{one.ready} of {one.desired}",
                    f"{one.total:,.0f}",
                    f"{one.good / one.total * 100:.1f} %" if one.total else "",
                )
                for one in report.variants
            ),
        )
    if judged and judged.comparisons:
        many = len({one.workload for one in judged.comparisons}) > 1
        head = ("Metric", "Difference", "Interval", "Tolerance", "Decision")
        yield from _table(head, (_comparison(one, many=many) for one in judged.comparisons))
    yield from _decided(report)
    if context.next:
        yield "What you can do now:\n"
        yield from (_next_step(one) for one in context.next)
        yield ""
    if report.timeline:
        yield f"<details><summary>Timeline: {counted(len(report.timeline), 'event')}</summary>\n"
        yield from _table(("Time", "Event"), ((timestamp(one.at), one.text) for one in report.timeline))
        yield "</details>\n"


def _heading(report: Report) -> str:
    names = " and ".join(report.context.workloads) or f"namespace {report.context.namespace}"
    template = HEADINGS[report.outcome]
    if report.outcome is Outcome.WATCHED and report.judged:
        template = WATCHED[report.judged.decision]
    return template.format(_inline(names)) + (
        f" to {_inline(', '.join(report.images))}" if report.outcome is Outcome.PROMOTED and report.images else ""
    )


def _comparison(one: Comparison, *, many: bool) -> Sequence[str]:
    tolerance, digits = one.tolerance, precision(one)
    what = f"{one.workload} {one.metric}" if many else one.metric
    if isinstance(tolerance, Multiple):
        low, high = (times(end, tolerance) for end in one.ratio_interval)
        ratio = "" if one.ratio is None else f"{times(one.ratio, tolerance)} times the errors"
        return what, ratio, f"{low} to {high} times", str(tolerance), str(one.decision)
    low, high = (f"{end * 100:+.{digits}f}" for end in one.interval)
    return (
        what,
        "" if one.difference is None else f"{one.difference * 100:+.{digits}f} points",
        f"{low} to {high}",
        "" if tolerance is None else f"{tolerance * 100:.{digits}f} points",
        str(one.decision),
    )


def _decided(report: Report) -> Iterator[str]:
    if report.decided:
        action, reason = "promote" if report.decided.promote else "reject", report.decided.reason
        why = f": {_inline(reason)}" if reason else ""
        yield f"Decided to {action} by {_inline(report.decided.by)} at {timestamp(report.decided_at)}{why}\n"
    for one in report.rejected:
        if one.evidence:
            yield f"Logs, events and counts of the canary of {_inline(one.workload)}: {_code(one.evidence)}\n"


def _next_step(step: str) -> str:
    purpose, _, command = step.partition(": canary ")
    return f"* {escaped(purpose)}: {_code(f'canary {command}')}" if command else f"* {escaped(step)}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(map(_inline, row))} |" for row in rows)
    yield ""


def escaped(text: str) -> str:
    """Return a text in one line that Markdown shows as it is."""
    return re.sub(r"^(\d+)(?=[.)])|^(?=[-+#=])", r"\1\\", _inline(text))  # would begin a list, a heading or a rule


def _inline(text: str) -> str:
    """Return the same for a text that does not begin a line."""
    line = printable(text).strip().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*_\[\]|~])", r"\\\1", line)
    return _LINK.sub(r"\g<0>&#8203;", line)


def _code(text: str) -> str:
    """Return a text as code, between more backticks than it has in a row."""
    line = printable(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"
