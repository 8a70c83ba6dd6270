"""A TCP proxy between a driver and an API server. A test can cut its connections and mend them."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1.1\r\n")


class FaultyProxy:
    """Forwards connections to a server.

    Attributes:
        url: URL of the proxy. TLS passes through unchanged.
        loses: methods of requests that lose their first answer. The server handles the request, then the connection
            breaks.
        lost: the requests that have lost their answer.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname or "", parts.port or 0)
        self.loses: frozenset[str] = frozenset()
        self.lost: list[str] = []
        self._is_cut = False
        self._open: set[asyncio.StreamWriter] = set()
        self._sent: Counter[tuple[str, str]] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._connected, "127.0.0.1", 0))
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{parts.scheme}://127.0.0.1:{port}{parts.path}"

    def cut(self) -> None:
        """Break every connection, and each new one."""

        async def cut() -> None:
            self._is_cut = True
            self._break_off()

        self._run(cut())

    def mend(self) -> None:
        """Forward connections again."""
        self._is_cut = False

    def close(self) -> None:
        """Stop the proxy."""

        async def close() -> None:
            self._server.close()
            self._break_off()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if others:
                await asyncio.wait(others)

        self._run(close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def _break_off(self) -> None:
        for one in self._open:
            one.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_connection(*self._to)
        both = {writer, server_writer}
        self._open |= both
        losing = asyncio.Event()
        with suppress(OSError):
            await asyncio.gather(
                self._pass_on(reader, server_writer, losing, is_answer=False),
                self._pass_on(server_reader, writer, losing, is_answer=True),
            )
        for one in both:
            one.transport.abort()
        self._open -= both

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event, *, is_answer: bool
    ) -> None:
        while data := await reader.read(65536):
            if is_answer and losing.is_set():
                break
            if not is_answer and self._loses(data):
                losing.set()
            writer.write(data)
            await writer.drain()
        writer.transport.abort()

    def _loses(self, data: bytes) -> bool:
        """Return whether a request starts here that loses its answer: every second one with this method and path."""
        found = REQUEST.match(data)
        method, path = (found[1].decode(), found[2].decode()) if found else ("", "")
        if method not in self.loses:
            return False
        self._sent[method, path] += 1
        if self._sent[method, path] % 2:
            self.lost.append(f"{method} {path}")
            return True
        return False
