"""Reports of past releases, to list and to open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PLACES = ("report.json", "past/*/report.json")
"""Where a folder has reports: the newest in itself, and earlier ones."""


@dataclass(frozen=True)
class PastReport:
    """A report that can be opened.

    Attributes:
        name: of its place in the folder, for its address.
        began: when its command began.
        command: that wrote it.
        workloads: names of the stable Deployments.
        outcome: how the command ended.
        page: its file for a browser.
    """

    name: str
    began: str
    command: str
    workloads: tuple[str, ...]
    outcome: str
    page: Path


def found(folder: Path) -> list[PastReport]:
    """Return the reports in a folder that have a page, newest first. Those that cannot be read are left out."""
    return sorted(_found(folder), key=lambda one: one.began, reverse=True)


def page(folder: Path, name: str) -> str | None:
    """Return the page of a report, None if there is none with this name."""
    chosen = next((one for one in _found(folder) if one.name == name), None)
    return chosen.page.read_text(encoding="utf-8") if chosen else None


def _found(folder: Path) -> Iterator[PastReport]:
    for file in (file for place in PLACES for file in folder.glob(place)):
        try:
            report = json.loads(file.read_text(encoding="utf-8"))
            yield PastReport(
                "newest" if file.parent == folder else file.parent.name,
                report["began"],
                report["command"],
                tuple(report["workloads"]),
                report["outcome"],
                file.with_name("report.html").resolve(strict=True),
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
