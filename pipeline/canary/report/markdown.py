"""A report as GitHub-flavored Markdown, for the summary of a pipeline's run and for a pull request.

Everything that comes from outside (names, images, reasons, messages) is escaped: it can add neither Markdown nor HTML.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from canary.plurals import counted
from canary.printable import printable
from canary.report import content
from canary.report.report import Report
from canary.times import timestamp

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
    yield f"## {_inline(content.heading(report))}\n"
    if judged:
        yield f"**{judged.decision}**: {_inline(judged.sentence)}\n"
    elif report.verdict and report.verdict.sentence:
        yield f"{escaped(report.verdict.sentence)}\n"
    if context.error:
        yield f"> {escaped(context.error)}\n"
    if report.variants:
        yield from _table(content.VARIANT_COLUMNS, content.variant_rows(report))
    if judged and judged.comparisons:
        many = len({one.workload for one in judged.comparisons}) > 1
        rows = (content.comparison_row(one, many=many) for one in judged.comparisons)
        yield from _table(content.COMPARISON_COLUMNS, rows)
    if decided := content.decided(report):
        yield f"{_inline(decided)}\n"
    for one in report.rejected:
        if one.evidence:
            yield f"Logs, events and counts of the canary of {_inline(one.workload)}: {_code(one.evidence)}\n"
    if context.next:
        yield f"{content.NEXT}:\n"
        yield from (_next_step(one) for one in content.next_steps(report))
        yield ""
    if report.timeline:
        yield f"<details><summary>{content.TIMELINE}: {counted(len(report.timeline), 'event')}</summary>\n"
        yield from _table(("Time", "Event"), ((timestamp(one.at), one.text) for one in report.timeline))
        yield "</details>\n"


def _next_step(step: content.NextStep) -> str:
    return f"* {escaped(step.purpose)}" + (f": {_code(step.command)}" if step.command else "")


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
