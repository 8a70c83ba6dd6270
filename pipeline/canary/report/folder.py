"""Writes a report into its folder: report.json and report.md, each replaced in one step."""

import os
from pathlib import Path

from canary.errors import InputError
from canary.report.as_json import to_json
from canary.report.markdown import report_as_markdown
from canary.report.report import Report


def require_writable(folder: Path, source: str) -> None:
    """Create the folder if it does not exist, and check that files can be written into it.

    Args:
        folder: the folder.
        source: where it is set: `--report`.

    Raises:
        InputError: they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / "report.json", None)
    except OSError as error:
        raise InputError(
            f"{source}: no report can be written into {folder}: {error.strerror}. Nothing was changed: pass a folder "
            "that you can write to"
        ) from error


def write(folder: Path, report: Report) -> None:
    """Write the report; nothing else in the folder is touched.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "report.json", to_json(report))
    _replace(folder / "report.md", report_as_markdown(report))


def _replace(path: Path, text: str | None) -> None:
    """Write a text into a file beside, which then takes the file's place; with None, only try to."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text or "", encoding="utf-8", errors="backslashreplace")
        if text is not None:
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
