"""Leaves the report of a command in its folder, however the command ends."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click

from canary import __version__
from canary.cli import render
from canary.cli.clock import SystemClock
from canary.cli.session import Session
from canary.errors import CanaryError, ExitCode
from canary.report.collector import Collector
from canary.report.folder import require_writable, write
from canary.urls import origin


class Reporting:
    """Writes the report of one command when the command ends.

    Attributes:
        exit_code: of the command, if it raises no error.
    """

    def __init__(self, session: Session, command: str, *, is_wanted: bool = True) -> None:
        """Take the session of the command, and its name; a dry run wants no report."""
        self.exit_code: int = ExitCode.DONE
        self._session, self._command, self._is_wanted = session, command, is_wanted
        self._folder: Path | None = None
        self._collector = Collector(SystemClock().now)

    def __enter__(self) -> Self:
        """Check that the report can be written.

        Raises:
            InputError: it cannot.
        """
        resolved = self._session.resolved
        if self._is_wanted and resolved.settings.report:
            self._folder = Path(resolved.settings.report)
            require_writable(self._folder, resolved.sources["report"])
            self._session.listeners.append(self._collector)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the report. If that fails, warn: the command's exit code stays."""
        if self._folder is None:
            return
        code = self.exit_code if error is None else _code(error)
        report = self._collector.report(
            version=__version__,
            command=self._command,
            namespace=self._session.namespace,
            code=code,
            error=_text(error),
            settings=_without_secrets(render.config_as_json(self._session.resolved)),
        )
        try:
            write(self._folder, report)
        except OSError as problem:
            click.echo(f"canary: warning: the report is not written to {self._folder}: {problem.strerror}", err=True)


def _without_secrets(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with scheme, host and port of each URL: user, password and path may be secrets."""
    return {
        key: {**one, "value": origin(one["value"])} if "://" in str(one["value"]) else one
        for key, one in settings.items()
    }


def _code(error: BaseException) -> int:
    """Return the exit code of the command after an error."""
    match error:
        case CanaryError():
            return error.exit_code
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case BrokenPipeError():
            return ExitCode.UNREAD
        case _:
            return ExitCode.BUG


def _text(error: BaseException | None) -> str:
    match error:
        case None:
            return ""
        case CanaryError():
            return str(error)
        case KeyboardInterrupt():
            return "interrupted"
        case _:
            return f"{type(error).__name__}: {error}"
