"""Writes a report into its folder: report.json, report.md and report.html, each replaced in one step."""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from canary.errors import InputError
from canary.report.as_json import to_json
from canary.report.markdown import report_as_markdown
from canary.report.past import HTML, JSON, MARKDOWN, PAST, keep_earlier
from canary.report.report import Report


def require_writable(folder: Path, source: str) -> None:
    """Create the folder if it does not exist, and check that files can be written into it.

    Args:
        folder: the folder.
        source: where it is set: `--report`.

    Raises:
        InputError: they cannot.
    """
    for place in (folder, folder / PAST):
        try:
            if place == folder:
                folder.mkdir(parents=True, exist_ok=True)
            if place.exists():
                _replace(place / JSON, None)
        except OSError as error:
            raise InputError(
                f"{source}: no report can be written into {place}: {error.strerror}. Nothing was changed: pass a "
                "folder that you can write to"
            ) from error


def write(folder: Path, report: Report) -> None:
    """Write the report, after moving an earlier one to `past/`; nothing else in the folder is touched.

    report.html comes last, because drawing it takes the longest: what happens meanwhile does not cost the others.

    Raises:
        OSError: it cannot be written.
    """
    from canary.report.html import report_as_html  # noqa: PLC0415 - loads Jinja2, which no other command needs

    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        keep_earlier(folder)
        _replace(folder / MARKDOWN, report_as_markdown(report))
        _replace(folder / JSON, to_json(report))
        _replace(folder / HTML, report_as_html(report))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let other commands that end at the same time wait, such as the one that answered this one's gate."""
    with ExitStack() as closing:
        with suppress(ImportError, OSError):  # Windows, or a file system without locks
            import fcntl  # noqa: PLC0415 - POSIX only

            opened = os.open(folder, os.O_RDONLY)
            closing.callback(os.close, opened)
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield


def _replace(path: Path, text: str | None) -> None:
    """Write a text into a file beside, which then takes the file's place; with None, only try to.

    Its name is random: drivers in two containers that share a folder can have the same process number.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        beside.write_text(text or "", encoding="utf-8", errors="backslashreplace")
        if text is not None:
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
