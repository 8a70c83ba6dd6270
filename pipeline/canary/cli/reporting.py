"""Leaves the report of a command in its folder, however the command ends."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click

from canary import __version__
from canary.cli import render
from canary.cli.clock import SystemClock
from canary.cli.identity import ProcessIdentity
from canary.cli.session import Session
from canary.errors import CanaryError, ExitCode, InputError, InterruptedReleaseError
from canary.events import Decided
from canary.printable import printable
from canary.report.collector import Collector
from canary.report.folder import require_writable, write
from canary.report.report import Context
from canary.settings.settings import SETTINGS
from canary.urls import shown


class Reporting:
    """Writes the report of one command when the command ends.

    Attributes:
        exit_code: of the command, if it raises no error.
    """

    def __init__(self, session: Session, command: str, *, reason: str = "", is_wanted: bool = True) -> None:
        """Take the session of the command, its name and the reason that was given. A dry run wants no report."""
        self.exit_code: int = ExitCode.DONE
        self._session, self._command, self._is_wanted = session, command, is_wanted
        self._reason = reason
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
        context = Context(
            version=__version__,
            command=self._command,
            namespace=self._namespace(),
            workloads=self._collector.workloads or self._session.workloads,
            exit_code=code,
            error=_text(error),
            settings=_without_secrets(render.config_as_json(self._session.resolved)),
            decided=self._decided(error),
            next=self._next_steps(error),
        )
        try:
            write(self._folder, self._collector.report(context))
        except OSError as problem:
            self._warn(f"the report could not be written to {self._folder}: {problem.strerror}")
        except Exception as bug:  # noqa: BLE001 - a page that cannot be drawn must not change how a release ended
            self._warn(
                f"report.html could not be written to {self._folder}. This is a bug in canary: {type(bug).__name__}: "
                f"{bug}; report it to the maintainers of canary"
            )

    def _warn(self, text: str) -> None:
        click.echo(printable(f"canary: warning: {text}"), err=True)

    def _namespace(self) -> str:
        try:
            return self._session.namespace
        except InputError:  # two settings contradict each other, which is the error of the command
            return self._session.resolved.settings.namespace or ""

    def _decided(self, error: BaseException | None) -> Decided | None:
        """Return the decision that the command itself is, unless the command was refused, or failed before it began."""
        is_recorded = error is None or isinstance(error, InterruptedReleaseError) or self._collector.workloads
        if self._command not in ("promote", "reject") or isinstance(error, InputError) or not is_recorded:
            return None
        return Decided(promote=self._command == "promote", by=ProcessIdentity().person, reason=self._reason)

    def _next_steps(self, error: BaseException | None) -> tuple[str, ...]:
        """Return what can be done now; the message of an error says it itself."""
        if error is not None:
            return ()
        try:
            status = self._session.release(names=self._collector.workloads).status()
        except (CanaryError, KeyboardInterrupt):  # the API server may be away, and the user tired of waiting
            return ()
        possible = dict.fromkeys(one.rollback for one in status.workloads if one.rollback)
        back = (f"return to {', '.join(one.images)}: {one.command}" for one in possible)
        return (*back, *(step for workload in status.workloads for step in workload.next))


def _without_secrets(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with scheme, host and port of each URL: user, password and path may be secrets."""
    urls = {setting.key for setting in SETTINGS.values() if setting.value_type.metavar == "URL"}
    return {
        key: {**one, "value": shown(one["value"])} if key in urls and one["value"] else one
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
