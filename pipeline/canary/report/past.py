"""Keeps earlier reports: the report in a folder moves to `past/BEGAN-COMMAND-OUTCOME` before another one is written.

It appears there complete, in one step, and before it disappears from the folder. A driver that is killed meanwhile
leaves it in one of both places, or in both.
"""

import json
import re
import shutil
from pathlib import Path

from canary.report.report import Outcome
from canary.times import parse_timestamp, timestamp

PAST = "past"
KEPT = 50
"""Maximum number of earlier reports in a folder: the newest stay."""

JSON, MARKDOWN, HTML = "report.json", "report.md", "report.html"
FILES = (JSON, MARKDOWN, HTML)
"""The files of a report."""

_NAME = re.compile(r"\d{8}T\d{6}Z-[a-z-]+\d*")


def keep_earlier(folder: Path) -> None:
    """Move the report in a folder, if there is one, to its place among the earlier ones. Delete the oldest of them.

    The files stay in the folder, too, until others replace them, except for report.html, which is written last.

    Raises:
        OSError: it cannot be moved.
    """
    if (folder / JSON).exists():
        _keep(folder)
    (folder / HTML).unlink(missing_ok=True)
    reports = sorted(one for one in folder.glob(f"{PAST}/*") if _NAME.fullmatch(one.name))
    for oldest in reports[:-KEPT]:
        shutil.rmtree(oldest)


def _keep(folder: Path) -> None:
    past = folder / PAST
    past.mkdir(exist_ok=True)
    coming = past / ".coming"
    shutil.rmtree(coming, ignore_errors=True)  # of a driver that was killed
    coming.mkdir()
    for name in FILES:
        if (folder / name).exists():
            shutil.copy2(folder / name, coming / name)
    name = place = _name(folder / JSON)
    content, number = (folder / JSON).read_bytes(), 1
    while (past / place).exists():
        if (past / place / JSON).read_bytes() == content:  # a driver was killed after this step
            shutil.rmtree(coming)
            return
        number += 1
        place = f"{name}-{number}"
    coming.rename(past / place)


def _name(file: Path) -> str:
    """Return the name for the folder of a report. No artifact of a pipeline may have a colon in a name."""
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        command = re.sub("[^a-z]", "", report["command"])
        at, what = timestamp(parse_timestamp(report["began"])), f"{command}-{Outcome(report['outcome'])}"
    except (OSError, ValueError, KeyError, OverflowError, RecursionError, TypeError):
        at, what = timestamp(file.stat().st_mtime), "unreadable"
    return f"{re.sub('[-:]', '', at)}-{what}"
