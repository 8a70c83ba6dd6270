"""A broken TLS connection is a network error and is tried again; an untrusted certificate is not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from canary.errors import NotAnsweringError, UnreachableError
from canary.kube.availability import Availability
from canary.kube.connection import Connection
from canary.kube.transport import Transport
from tests.canary.kube.fake_time import Time

CERTIFICATE = Path(__file__).with_name("certificate.pem")
"""A self-signed certificate for 127.0.0.1, and its key."""

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class Server:
    """A server that speaks TLS, one connection after the other.

    Attributes:
        breaks: what becomes of the next connections: `reset` or `end` in the handshake, `cut` in the answer.
        connections: how many there were.
    """

    def __init__(self) -> None:
        self.breaks: list[str] = []
        self.connections = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTIFICATE)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address = self._listener.getsockname()
        self.url = f"https://127.0.0.1:{self._address[1]}"
        self._ends = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._ends = True
        socket.create_connection(self._address).close()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                if self._ends:
                    return
                self.connections += 1
                how = self.breaks.pop(0) if self.breaks else ""
                if how == "end":
                    connection.recv(65536)
                elif how != "reset":  # what closes a socket with bytes that nobody has read
                    with contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True) as tls:
                        tls.recv(65536)
                        tls.sendall(ANSWER[:-2] if how == "cut" else ANSWER)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def transport(server: Server, time: Time, *, trusts: Path | None) -> Transport:
    """Return a transport that waits by that clock."""

    def connect() -> Connection:
        configuration = client.Configuration()
        configuration.host = server.url
        configuration.proxy = None
        configuration.retries = False
        configuration.ssl_ca_cert = str(trusts) if trusts else None
        return Connection(client.ApiClient(configuration), "default", server.url)

    return Transport(connect, sleep=time.sleep, availability=Availability(monotonic=lambda: time.now))


@pytest.mark.parametrize("how", ["end", "reset", "cut"])
def test_a_broken_tls_connection_is_tried_again(server: Server, how: str) -> None:
    sender = transport(server, Time(), trusts=CERTIFICATE)
    sender.request("GET", "/x")
    server.breaks = [how] * 3
    assert sender.request("GET", "/x").json == {}
    assert server.connections == 5
    server.breaks = [how]
    with pytest.raises(NotAnsweringError, match="no answer from"):
        sender.get_once("/x", timeout=20)
    sender.close()


def test_tls_that_fails_from_the_start_is_given_up_soon(server: Server) -> None:
    time = Time()
    server.breaks = ["end"] * 100
    sender = transport(server, time, trusts=CERTIFICATE)
    with pytest.raises(UnreachableError, match="cannot reach https"):
        sender.request("GET", "/x")
    assert 1 < time.now <= 3
    sender.close()


def test_an_untrusted_certificate_is_reported_at_once(server: Server) -> None:
    time = Time()
    sender = transport(server, time, trusts=None)
    with pytest.raises(UnreachableError, match=r"self[- ]signed certificate"):
        sender.request("GET", "/x")
    assert (time.now, server.connections) == (0, 1)
    sender.close()
