"""One process of a container, its group and its log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

LOG_LIMIT = 10 * 1024 * 1024  # bytes; kubelet's containerLogMaxSize


class Process:
    """A running process in a session of its own; whatever it writes goes line by line into its log."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], folder: Path, log: Path) -> None:
        """Start it; raises OSError where the program or the folder is not there."""
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
        """Return the exit code, when there is one (128 + n after signal n), and the rest of the group is gone."""
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
        # The kernel keeps a group's number while anyone is in it: this kills what the process left behind, or nobody.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._copier.finish()
        return code if code >= 0 else 128 - code


async def _exit_of(pid: int) -> None:
    """Wait until a child has exited; where the system cannot tell (macOS), for a moment."""
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


class Log:
    """Copies a pipe into a file, each line after its time (as container runtimes do: `TIME LINE`)."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._file = path.open("wb", buffering=0)
        self._pipe = descriptor
        self._rest = b""
        self._done = asyncio.Event()
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    async def finish(self) -> None:
        """Wait until the pipe is empty (a moment at most: a process that left the group may hold it) and close."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), 0.5)
        if not self._done.is_set():
            self._close()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._pipe, 65536)
            if data:
                self._write(data)
            else:
                self._close()

    def _write(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > 65536:
            lines, self._rest = [*lines, self._rest], b""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode()
        if self._file.tell() > LOG_LIMIT:
            self._file.seek(0)
            self._file.truncate()
        self._file.write(b"".join(stamp + line + b"\n" for line in lines))

    def _close(self) -> None:
        if self._rest:
            self._write(b"\n")
        asyncio.get_running_loop().remove_reader(self._pipe)
        os.close(self._pipe)
        self._file.close()
        self._done.set()


def remark(path: Path, text: str) -> None:
    """Add a line of our own to the log of a process that has ended: its log is where people look first."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    with path.open("a") as file:
        file.write(f"{stamp} {text}\n")


def tail(path: Path, lines: int = 80, limit: int = 2048) -> str:
    """Return the end of a log without its times: at most so many lines and characters."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64 * lines - limit))
        last = file.read().decode(errors="replace").splitlines()[-lines:]
    return "\n".join(line.partition(" ")[2] for line in last)[-limit:]


async def read_log(
    path: Path,
    *,
    ended: asyncio.Event | None,
    tail_lines: int | None = None,
    since_seconds: int | None = None,
    timestamps: bool = False,
) -> AsyncIterator[bytes]:
    """Yield the lines of a log; with `ended`, those to come as well, until it is set."""
    since = b""
    if since_seconds is not None:
        since = (datetime.now(UTC) - timedelta(seconds=since_seconds)).isoformat()[:19].encode()
    with path.open("rb") as file:
        present = [line for line in file.readlines() if line >= since]
        yield _shown(present[-tail_lines:] if tail_lines else [] if tail_lines == 0 else present, timestamps=timestamps)
        rest = b""
        while ended is not None:
            last = ended.is_set()
            if file.tell() > os.fstat(file.fileno()).st_size:  # it was full and began anew
                file.seek(0)
            *lines, rest = (rest + file.read()).splitlines(keepends=True) or [b""]
            if rest.endswith(b"\n"):
                lines, rest = [*lines, rest], b""
            if lines:
                yield _shown(lines, timestamps=timestamps)
            if last:
                return
            await asyncio.sleep(0.1)


def _shown(lines: list[bytes], *, timestamps: bool) -> bytes:
    return b"".join(lines) if timestamps else b"".join(line.partition(b" ")[2] for line in lines)


def taken_address(log: str) -> str | None:
    """Return the line in which a process says that its address was in use, if one does."""
    found = re.search(r"^.*(EADDRINUSE|[Aa]ddress (already )?in use).*$", log, re.MULTILINE)
    return found.group(0).strip() if found else None
