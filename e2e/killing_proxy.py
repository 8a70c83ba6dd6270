"""A proxy that kills a driver at one of its writes: before the API server gets it, or before the driver is answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from e2e.faulty_proxy import REQUEST, FaultyProxy

WRITTEN = re.compile(r"/(?:deployments|services|httproutes|configmaps/[a-z0-9-]+-before)\b")
"""What a release writes. Locks, counts and Events are written as often as time passes."""


class KillingProxy(FaultyProxy):
    """Forwards connections of one driver to a server, up to a write.

    Attributes:
        kill: ends the driver at once.
        writes: the writes so far.
    """

    def __init__(self, url: str, nth: int, *, before: bool) -> None:
        """Kill at the nth write, before or after the server has handled it."""
        super().__init__(url)
        self.kill: Callable[[], object] = lambda: None
        self.writes: list[str] = []
        self._nth = nth
        self._before = before

    @property
    def has_killed(self) -> bool:
        """Whether the driver came to that write."""
        return len(self.writes) >= self._nth

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event, *, is_answer: bool
    ) -> None:
        while data := await reader.read(65536):
            is_last = losing.is_set() if is_answer else self._is_last(data)
            if is_last and (is_answer or self._before):
                self.kill()
                break
            if is_last:
                losing.set()
            writer.write(data)
            await writer.drain()
        writer.transport.abort()

    def _is_last(self, data: bytes) -> bool:
        """Return whether the nth write starts here."""
        found = REQUEST.match(data)
        method, path = (found[1].decode(), found[2].decode()) if found else ("GET", "")
        if method == "GET" or "dryRun" in path or not WRITTEN.search(path):
            return False
        self.writes.append(f"{method} {path}")
        return len(self.writes) == self._nth
