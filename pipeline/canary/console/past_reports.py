"""Reports of past releases, to list and to open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from canary.errors import InputError
from canary.report.past import FILES
from canary.report.stored import StoredReport, find_reports

NEWEST = "newest"
"""Name of the report that lies in the folder itself."""


@dataclass(frozen=True)
class PastReports:
    """What a folder has.

    Attributes:
        folder: which.
        reports: by name, newest first. A name is the place below the folder.
        problems: why others cannot be read.
    """

    folder: Path
    reports: dict[str, StoredReport]
    problems: tuple[str, ...]

    def read(self, name: str, file: str) -> str | None:
        """Return a file of a report, None if there is none: its command was killed, or canary was older.

        A link that leads out of the folder is not followed.
        """
        report = self.reports.get(name)
        if report is None or file not in FILES or not _is_inside(self.folder.resolve(), report.file.with_name(file)):
            return None
        try:
            return report.file.with_name(file).read_text(encoding="utf-8")
        except (OSError, ValueError):  # a new report has just taken its place; it is no UTF-8
            return None


def past_reports(folder: Path) -> PastReports:
    """Return the reports in a folder. It has none as long as it does not exist."""
    root = folder.resolve()
    try:
        found = find_reports([root]) if root.exists() else None
    except InputError as error:
        return PastReports(folder, {}, (str(error),))
    reports = {_name(root, one): one for one in found.reports if _is_inside(root, one.file)} if found else {}
    return PastReports(folder, reports, found.problems if found else ())


def _is_inside(root: Path, file: Path) -> bool:
    """Return whether a file is in a folder, wherever links lead."""
    return file.resolve().is_relative_to(root)


def _name(root: Path, report: StoredReport) -> str:
    place = report.file.resolve().parent.relative_to(root).as_posix()
    return NEWEST if place == "." else place
