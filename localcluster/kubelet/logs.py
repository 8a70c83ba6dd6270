"""Container logs: files with a time in front of each line, as container runtimes write them (`TIME LINE`)."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from localcluster.apimachinery.pod_log_options import PodLogOptions

LOG_LIMIT = 10 * 1024 * 1024  # bytes; the kubelet's containerLogMaxSize


class Log:
    """Copies the lines of a pipe to a log file."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._file = path.open("wb", buffering=0)
        self._pipe = descriptor
        self._rest = b""
        self._done = asyncio.Event()
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    async def finish(self) -> None:
        """Close the log when the pipe is closed, or soon: a process that left the group can keep the pipe open."""
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
    """Add a line by localcluster to the log of a process that has ended: users look there first."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    with path.open("a") as file:
        file.write(f"{stamp} {text}\n")


def tail(path: Path, lines: int = 80, limit: int = 2048) -> str:
    """Return the end of a log without times: at most so many lines and characters."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64 * lines - limit))
        last = file.read().decode(errors="replace").splitlines()[-lines:]
    return "\n".join(line.partition(" ")[2] for line in last)[-limit:]


async def read_log(path: Path, options: PodLogOptions, ended: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield the lines of a log; if it is followed, also later lines, until `ended` is set."""
    since, last_lines = b"", options.tail_lines
    if options.since_seconds is not None:
        since = (datetime.now(UTC) - timedelta(seconds=options.since_seconds)).isoformat()[:19].encode()
    with path.open("rb") as file:
        present = [line for line in file.readlines() if line >= since]
        if last_lines is not None:
            present = present[-last_lines:] if last_lines else []
        yield _shown(present, timestamps=options.timestamps)
        rest = b""
        while options.follow and not options.previous:
            last = ended.is_set()
            if file.tell() > os.fstat(file.fileno()).st_size:  # the log was full and was truncated
                file.seek(0)
            *lines, rest = (rest + file.read()).splitlines(keepends=True) or [b""]
            if rest.endswith(b"\n"):
                lines, rest = [*lines, rest], b""
            if lines:
                yield _shown(lines, timestamps=options.timestamps)
            if last:
                return
            await asyncio.sleep(0.1)


def _shown(lines: list[bytes], *, timestamps: bool) -> bytes:
    return b"".join(lines) if timestamps else b"".join(line.partition(b" ")[2] for line in lines)


def taken_address(log: str) -> str | None:
    """Return the line of a log that says that an address is in use, or None."""
    found = re.search(r"^.*(EADDRINUSE|[Aa]ddress (already )?in use).*$", log, re.MULTILINE)
    return found.group(0).strip() if found else None
