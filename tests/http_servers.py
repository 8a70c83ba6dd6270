"""Small HTTP servers for tests."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Request:
    """A request as a server gets it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What a server answers."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Endpoint(ThreadingHTTPServer):
    """A web server on a port of its own that takes any method.

    Attributes:
        requests: what it got, in order.
    """

    daemon_threads = True

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self.requests: list[Request] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def take(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                request = Request(self.command, self.path, dict(self.headers), body)
                endpoint.requests.append(request)
                answered = answer(request)
                with contextlib.suppress(OSError):  # the client may have gone
                    self.send_response(answered.status)
                    for name, value in {"Content-Length": str(len(answered.body.encode())), **answered.headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(answered.body.encode())

            def do_GET(self) -> None:
                self.take()

            def do_POST(self) -> None:
                self.take()

            def do_PATCH(self) -> None:
                self.take()

            def log_message(self, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


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


@contextlib.contextmanager
def answering(answer: Callable[[Request], Answer] = lambda _: Answer()) -> Iterator[Endpoint]:
    """Run a server that answers each request by a function, by default with 200, and keeps what it got."""
    endpoint = Endpoint(answer)
    with running(endpoint):
        yield endpoint
