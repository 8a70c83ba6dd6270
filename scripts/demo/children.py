"""The demo's processes: each in its own session, so that Ctrl-C reaches the demo alone, which then ends them all."""

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
    """Return the path of a command in this environment or on PATH; raises CommandError if there is none."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        raise CommandError(f"{name} is not installed. Install it, then run the demo again")
    return found


class Interrupts:
    """Turns Ctrl-C, SIGTERM and SIGHUP into one KeyboardInterrupt, outside of blocks that must not be interrupted."""

    def __init__(self) -> None:
        self._holding = 0
        self._came = self._pending = False

    def catch(self) -> None:
        """Handle these signals of this process."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._arrive)

    def ignore(self) -> None:
        """Ignore further signals, so that nothing disturbs the cleanup."""
        self._came = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay an interrupt until the block ends."""
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
    """Starts processes, and ends those that are still running."""

    def __init__(self, folder: Path, show: Callable[..., None], interrupts: Interrupts) -> None:
        """Write the output of commands to the file `log` in the folder, unless somebody reads it.

        Args:
            folder: for the log.
            show: called with the words of each command that the reader should see.
            interrupts: delayed while a process starts, so that each is on the list of those to end.
        """
        self._interrupts = interrupts
        self.log = folder / "log"
        self._show = show
        self.environment = dict(os.environ)
        for name in ("NO_PROXY", "no_proxy"):  # pods on this machine are not behind a proxy
            self.environment[name] = ",".join(filter(None, [os.environ.get(name), LOOPBACK]))
        self._started: list[subprocess.Popen[str]] = []

    def start(
        self, *command: str, stdout: int | IO[str] | None = None, stderr: int | IO[str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command; its output goes to the log unless `stdout` or `stderr` say otherwise."""
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
        """Run a command to its end, even if interrupted; returns its output. Shows the command unless `quietly`.

        Raises:
            CommandError: the command failed; the message has its output.
        """
        if not quietly:
            self._show(*command)
        with self._interrupts.held():  # half a cluster is harder to delete than a whole one
            process = self.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            output, errors = process.communicate()
        if process.returncode:
            raise CommandError(f"{' '.join(command)}: {errors.strip() or output.strip()}")
        return output

    def keep(self, process: subprocess.Popen[str]) -> None:
        """Let a process run on after `end`."""
        self._started.remove(process)

    def end(self) -> None:
        """Stop what is still running, the last started first; kill what takes longer than ten seconds."""
        for process in reversed(self._started):
            stop(process)


def stop(process: subprocess.Popen[str], seconds: float = 10) -> int:
    """Stop a process, and kill its session after some seconds at the latest; returns the exit code."""
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
