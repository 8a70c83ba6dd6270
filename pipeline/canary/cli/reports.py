"""`canary report`: lists the reports that commands have left, and compares two of them."""

import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from canary.cli import flags
from canary.cli.help import Command
from canary.cli.render import columns, print_result
from canary.cli.session import Session
from canary.errors import InputError
from canary.printable import printable
from canary.report import content
from canary.report.shown_settings import shown_value
from canary.report.stored import Found, StoredReport, find_reports, nothing_in, report_in
from canary.times import duration, readable, timestamp
from canary.verdict.as_json import verdict_as_json
from canary.verdict.comparison import Comparison
from canary.verdict.wording import brief

DEFAULTS = ("canary-report", "canary-reports")
"""Folders of the current directory that are looked for, where no setting names one."""


@click.command(
    cls=Command,
    name="report",
    examples=(
        "canary report",
        "canary report artifacts/ --output json",
        "canary report --compare",
        "canary report --compare artifacts/report-1 artifacts/report-2",
        "canary report --open",
    ),
    short_help="List past reports, or compare two.",
)
@click.argument("folders", nargs=-1, metavar="[FOLDER]...")
@click.option(
    "--compare", is_flag=True, help="Compare two reports side by side: those in two FOLDERs, or else the two newest."
)
@click.option("--open", "opens", is_flag=True, help="Open the newest report in your browser.")
@flags.results
def report(**given: Any) -> None:  # noqa: ANN401 - click's parameters
    """List the reports in folders, newest first, or compare two of them.

    A FOLDER is one that you gave to --report, or a folder of such folders; earlier reports in its folder past/ count as
    well. By default, it is the setting report, or else canary-report and canary-reports in the current directory.
    You can also pass the path of a report.json or report.html.

    --compare shows what differs between two reports: outcome, images, verdict, difference and interval, requests,
    duration, and the settings.
    """
    paths = [Path(one) for one in given["folders"]]
    if given["compare"] and given["opens"]:
        raise InputError("--compare and --open: use only one of them")
    if given["compare"]:
        _print_comparison(given, *_two(paths))
        return
    found = _found(paths or _default_folders())
    if given["opens"]:
        _open(found.reports[0].page)
    if not print_result(given, {"reports": [_as_json(one) for one in found.reports], "problems": list(found.problems)}):
        for line in _list(found.reports):
            click.echo(printable(line))


def _default_folders() -> list[Path]:
    with Session({}) as session:
        folder, source = session.resolved.settings.report, session.resolved.sources["report"]
    if folder:
        if not Path(folder).is_dir():
            raise InputError(f"{source}: {folder}: no such folder yet: a command creates it when it writes a report")
        return [Path(folder)]
    found = [Path(name) for name in DEFAULTS if Path(name).is_dir()]
    if not found:
        raise InputError(
            f"there is no folder {' or '.join(DEFAULTS)} here, and no setting report: name the folder that you gave to "
            "--report, such as canary report FOLDER"
        )
    return found


def _found(paths: Sequence[Path]) -> Found:
    """Return the reports in folders, and warn of those that cannot be read.

    Raises:
        InputError: none can be read.
    """
    found = find_reports(paths)
    if not found.reports:
        raise InputError("; ".join(found.problems) or nothing_in(paths))
    for problem in found.problems:
        click.echo(printable(f"canary: warning: {problem}"), err=True)
    return found


def _two(paths: Sequence[Path]) -> tuple[StoredReport, StoredReport]:
    if len(paths) == 2:
        return report_in(paths[0]), report_in(paths[1])
    if len(paths) > 2:
        raise InputError(f"--compare: name two folders, or one that has two reports; found {len(paths)}")
    found = _found(paths or _default_folders()).reports
    if len(found) < 2:
        raise InputError(f"--compare: there is only one report, {found[0].file}: name two folders")
    return found[1], found[0]


def _open(page: Path) -> None:
    if not webbrowser.open(page.resolve().as_uri()):
        raise InputError(f"--open: no browser found: open {page} yourself")


def _as_json(one: StoredReport) -> dict[str, Any]:
    return {
        "file": str(one.file),
        "page": str(one.page),
        "command": one.command,
        "namespace": one.namespace,
        "workloads": list(one.workloads),
        "images": list(one.images),
        "outcome": str(one.outcome),
        "error": one.error or None,
        "decided_by": one.decided_by or None,
        "began": timestamp(one.began),
        "ended": timestamp(one.ended),
        "verdict": verdict_as_json(one.verdict) if one.verdict else None,
        "brief": _brief(one) or None,
    }


def _brief(one: StoredReport) -> str:
    return brief(one.verdict) if one.verdict else ""


def _list(reports: Sequence[StoredReport]) -> list[str]:
    head = ("began", "workloads", "images", "command", "outcome", "verdict", "decided by", "page")
    rows = [
        (
            readable(one.began),
            ",".join(one.workloads) or "-",
            ",".join(one.images) or "-",
            one.command,
            str(one.outcome),
            _brief(one) or "-",
            one.decided_by or "-",
            str(one.page),
        )
        for one in reports
    ]
    return columns([head, *(tuple(map(printable, row)) for row in rows)])


def _print_comparison(given: Mapping[str, Any], left: StoredReport, right: StoredReport) -> None:
    differing = {
        key: (left.settings.get(key), right.settings.get(key))
        for key in dict.fromkeys((*left.settings, *right.settings))
        if left.settings.get(key) != right.settings.get(key)
    }
    if print_result(given, {"reports": [_as_json(left), _as_json(right)], "settings": differing}):
        return
    rows = [("", *(str(one.file.parent) for one in (left, right))), *_rows(left, right)]
    if differing:
        rows.append(("settings that differ", "", ""))
    rows += [(f"  {key}", *(shown_value(key, one) or "-" for one in values)) for key, values in differing.items()]
    for line in columns([tuple(map(printable, row)) for row in rows]):
        click.echo(line)


def _rows(left: StoredReport, right: StoredReport) -> Iterator[tuple[str, ...]]:
    both = (left, right)
    yield "command", left.command, right.command
    yield "workloads", *(",".join(one.workloads) or "-" for one in both)
    yield "images", *(",".join(one.images) or "-" for one in both)
    yield "outcome", str(left.outcome), str(right.outcome)
    yield "verdict", *(_brief(one) or "-" for one in both)
    yield "decided by", *(one.decided_by or "-" for one in both)
    yield "began", readable(left.began), readable(right.began)
    yield "duration", *(duration(round(one.ended - one.began)) for one in both)
    compared = [
        {(one.workload, one.metric): one for one in report.verdict.comparisons} if report.verdict else {}
        for report in both
    ]
    keys = dict.fromkeys(key for one in compared for key in one)
    for workload, metric in keys:
        pair = [one.get((workload, metric)) for one in compared]
        yield f"{workload} {metric}" if len({name for name, _ in keys}) > 1 else metric, "", ""
        for name, show in _NUMBERS.items():
            yield f"  {name}", *(("-" if one is None else show(one)) or "-" for one in pair)


def _requests(one: Comparison) -> str:
    return f"{one.baseline.total:,.0f} + {one.canary.total:,.0f}"


_NUMBERS = {
    "decision": lambda one: str(one.decision),
    "difference": content.difference,
    "interval": content.interval,
    "tolerance": content.tolerance,
    "requests": _requests,
}
"""What is compared of a metric. Requests are those of baseline and canary."""
