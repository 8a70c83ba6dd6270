"""One process of a container, and its process group."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcluster.kubelet.logs import Log


class Process:
    """A running process in its own session. Its output goes to a log, line by line."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], folder: Path, log: Path) -> None:
        """Start the process; raises OSError if the program or the folder does not exist."""
        reading, writing = os.pipe()
        try:
            self._popen = subprocess.Popen(
                list(argv),
                env=dict(env),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError):
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self.pid = self._popen.pid
        self.log = log
        self._copier = Log(log, reading)
        self._ended = asyncio.ensure_future(self._wait())

    async def ended(self) -> int:
        """Wait until the process has ended and its group is gone; returns the exit code (128 + n after signal n)."""
        return await asyncio.shield(self._ended)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process; SIGKILL goes to its group."""
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self.pid, number)
            elif self._popen.returncode is None:
                os.kill(self.pid, number)

    async def _wait(self) -> int:
        while (code := self._popen.poll()) is None:
            await _exit_of(self.pid)
        # A group's number stays reserved while it has members: this kills the rest of the group, or nothing.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._copier.finish()
        return code if code >= 0 else 128 - code


async def _exit_of(pid: int) -> None:
    """Wait until a child process has exited, or for a moment if the system cannot tell (macOS)."""
    if not hasattr(os, "pidfd_open"):
        await asyncio.sleep(0.05)
        return
    loop, exited = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.pidfd_open(pid)
    loop.add_reader(descriptor, exited.set)
    try:
        await exited.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
