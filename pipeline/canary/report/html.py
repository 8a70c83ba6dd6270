"""A report as one HTML page: no script, nothing from elsewhere, and less than a megabyte, however long the release was.

Everything that comes from outside (names, images, reasons, messages, logs) is escaped, and control characters, also
those that turn the direction of a text, become blanks. A Content-Security-Policy allows this page's own style alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from canary.chart.style import css
from canary.errors import ExitCode
from canary.plurals import counted
from canary.printable import printable
from canary.report import content
from canary.report.figures import Figures, drawable, figures_of
from canary.report.past import JSON, MARKDOWN
from canary.report.rejected_canary import rejected_canaries
from canary.report.report import Outcome, Report
from canary.report.shown_settings import shown_value
from canary.times import duration, readable
from canary.verdict.comparison import Decision

LIMIT = 1_000_000
"""Maximum size of a page in bytes."""

ROWS = 200
"""Maximum number of rows of a table."""

ITEMS = 20
"""Maximum number of other things of which there is one for each workload."""

TEXT = 1_000
"""Maximum number of characters of a text."""

PARTS = (1.0, 0.2, 0.04)
"""Parts of these maxima: a smaller one is taken where a page would become too large without any picture."""

HERE = Path(__file__).parent


@dataclass(frozen=True)
class ShownSetting:
    """A setting.

    Attributes:
        key: its name in `canary.yml`.
        value: as a user would write it, empty if there is none.
        source: where the value comes from.
    """

    key: str
    value: str
    source: str


@dataclass(frozen=True)
class Rows:
    """Rows of a table.

    Attributes:
        shown: those in the page, with None where the others are left out.
        left_out: how many these are.
    """

    shown: Sequence[Any]
    left_out: int = 0

    @classmethod
    def of(cls, rows: Sequence[Any], most: float) -> Rows:
        """Return the first and the last of too many rows."""
        half = max(1, int(most / 2))
        if len(rows) <= 2 * half:
            return cls(rows)
        return cls([*rows[:half], None, *rows[-half:]], len(rows) - 2 * half)


def report_as_html(report: Report) -> str:
    """Return the report as HTML."""
    for part in PARTS:
        room = LIMIT - len(_page(report, (), part).encode())
        if room > 0:
            break
    return _page(report, tuple(_drawn(report, room)), part)


def _drawn(report: Report, room: int) -> Iterator[Figures]:
    """Yield the pictures of as many metrics as there is room for, in bytes of UTF-8."""
    for one in figures_of(report):
        room -= len(_template("figures.html.jinja").render(figures=one, clip=clip).encode())
        if room < 0:
            return
        yield one


def _page(report: Report, figures: Sequence[Figures], part: float) -> str:
    """Return the page with these pictures, and with this part of the maxima."""
    comparisons = report.judged.comparisons if report.judged else ()
    metric, *numbers, decision = content.COMPARISON_COLUMNS
    settings = [_setting(key, one) for key, one in report.context.settings.items()]
    style = f"{css()}\n{(HERE / 'report.css').read_text(encoding='utf-8')}"
    return _template("report.html.jinja").render(
        report=report,
        context=report.context,
        content=content,
        clip=lambda text, most=TEXT: clip(text, int(most * part)),
        heading=content.heading(report),
        tone=_tone(report),
        facts=tuple(_facts(report)),
        variants=Rows.of(report.variants, ROWS * part),
        columns=(metric, decision, *numbers),
        comparisons=Rows.of(comparisons, ROWS * part),
        many=len({one.workload for one in report.variants} | {one.workload for one in comparisons}) > 1,
        figures=figures,
        not_drawn=len(drawable(report)) - len(figures),
        decided=content.decided(report),
        undone=Rows.of(report.undone, ITEMS * part),
        next_steps=Rows.of(tuple(content.next_steps(report)), ITEMS * part),
        rejected=Rows.of(rejected_canaries(report.rejected), ITEMS * part),
        timeline=Rows.of(report.timeline, ROWS * part),
        changed=[one for one in settings if one.source != "default"],
        defaults=[one for one in settings if one.source == "default"],
        json=JSON,
        markdown=MARKDOWN,
        style=Markup(style),  # noqa: S704 - of this package alone
        hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_safe,
    )
    environment.filters.update(time=readable, counted=counted)
    environment.globals.update(took=lambda seconds: duration(round(seconds)))
    return environment


def _template(name: str) -> Template:
    return _environment().get_template(name)


def _safe(value: object) -> object:
    """Return what a template writes, with blanks for control characters. Markup is of this package."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else printable(value)


def clip(text: str, most: int = TEXT) -> str:
    """Return a text, cut if it is too long."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _tone(report: Report) -> str:
    """Return which colours the outcome has: a class of the stylesheet."""
    if report.outcome is Outcome.PROMOTED:
        return "promote"
    if report.outcome is Outcome.REJECTED:
        return "reject"
    if report.outcome is Outcome.WATCHED and report.judged and report.judged.decision is not Decision.UNDECIDED:
        return str(report.judged.decision).lower()
    return "open"


def _meaning(code: int) -> str:
    return next((one.meaning for one in ExitCode if one == code), "")


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    context = report.context
    yield "Namespace", context.namespace
    if report.images:
        yield "Images asked for", ", ".join(report.images)
    yield "Command", f"canary {context.command}, version {context.version}"
    yield "Began", readable(report.began)
    yield "Took", duration(round(report.ended - report.began))
    yield "Exit code", f"{context.exit_code:d}: {_meaning(context.exit_code)}"


def _setting(key: str, one: Mapping[str, Any]) -> ShownSetting:
    return ShownSetting(key, shown_value(key, one["value"]), one["source"])
