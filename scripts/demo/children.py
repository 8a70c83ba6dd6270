"""The demo's processes: each in a session of its own, so that Ctrl-C is the demo's to deal with, and none is left."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOOPBACK = "localhost,127.0.0.0/8,::1"


class CommandError(Exception):
    """A command that the demo needs is missing, or failed."""


def find(name: str) -> str:
    """Return the path of a command of this environment, or else of the machine; raises CommandError."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        raise CommandError(f"{name} is needed for this, and is not installed")
    return found


class Interrupts:
    """Makes of Ctrl-C, SIGTERM and SIGHUP one KeyboardInterrupt, at a moment that suits."""

    def __init__(self) -> None:
        self._holding = 0
        self._came = self._pending = False

    def catch(self) -> None:
        """Take the signals of this process."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._arrive)

    def ignore(self) -> None:
        """Let nothing disturb the clearing up."""
        self._came = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold an interrupt back until the block ends."""
        self._holding += 1
        try:
            yield
        finally:
            self._holding -= 1
            if self._pending and not self._holding:
                self._pending = False
                raise KeyboardInterrupt

    def _arrive(self, *_: object) -> None:
        if self._came:
            return
        self._came = True
        if not self._holding:
            raise KeyboardInterrupt
        self._pending = True


class Children:
    """Starts processes and ends those that are still running."""

    def __init__(self, folder: Path, show: Callable[..., None], interrupts: Interrupts) -> None:
        """Run them with the folder's file `log` for what nobody reads.

        Args:
            folder: for the log.
            show: gets the words of those commands that a reader wants to know of.
            interrupts: wait for a process to be on the list of those to end.
        """
        self._interrupts = interrupts
        self.log = folder / "log"
        self._show = show
        self.environment = dict(os.environ)
        for name in ("NO_PROXY", "no_proxy"):  # a proxy is for the world outside, not for pods on this machine
            self.environment[name] = ",".join(filter(None, [os.environ.get(name), LOOPBACK]))
        self._started: list[subprocess.Popen[str]] = []

    def start(
        self, *command: str, stdout: int | IO[str] | None = None, stderr: int | None = None
    ) -> subprocess.Popen[str]:
        """Start a command; what it writes goes into the log unless `stdout` or `stderr` say otherwise."""
        with self.log.open("a") as log, self._interrupts.held():
            process = subprocess.Popen(
                [find(command[0]), *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log if stderr is None else stderr,
                env=self.environment,
                start_new_session=True,
                text=True,
            )
            self._started.append(process)
        return process

    def run(self, *command: str, quietly: bool = False) -> str:
        """Run a command to its end, even if interrupted, and return its output; show it unless `quietly`.

        Raises:
            CommandError: it failed; with what it said.
        """
        if not quietly:
            self._show(*command)
        with self._interrupts.held():  # half a cluster would be harder to clear away than a whole one
            process = self.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            output, errors = process.communicate()
        if process.returncode:
            raise CommandError(f"{' '.join(command)}: {errors.strip() or output.strip()}")
        return output

    def end(self) -> None:
        """Ask those still running to stop, the last started first, and insist after ten seconds."""
        for process in reversed(self._started):
            stop(process)


def stop(process: subprocess.Popen[str], seconds: float = 10) -> int:
    """Tell a process to stop, and end its session at the latest after some seconds; returns the exit code."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()
    return process.wait()
