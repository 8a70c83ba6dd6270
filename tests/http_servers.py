"""Small HTTP servers for tests."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any


class Page(ThreadingHTTPServer):
    """A web server on a port of its own; `answer` returns status and body for a path."""

    daemon_threads = True

    def __init__(self, answer: Callable[[str, Mapping[str, str]], tuple[int, str]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answer(self.path, dict(self.headers))
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


@contextlib.contextmanager
def running(server: BaseServer) -> Iterator[None]:
    """Run a server in a thread while the block lasts, then close it."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def serving(answer: Callable[[str, Mapping[str, str]], tuple[int, str]]) -> Iterator[Page]:
    """Run a server that answers GET with the status and body of `answer(path, headers)`."""
    page = Page(answer)
    with running(page):
        yield page
