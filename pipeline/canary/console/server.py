"""The web server of the console: threads and sizes with limits, on loopback or with TLS."""

from __future__ import annotations

import ipaddress
import selectors
import socket
import threading
from typing import TYPE_CHECKING, Any

from cheroot import wsgi

from canary.console.tls import Adapter
from canary.errors import InputError
from canary.urls import is_loopback

if TYPE_CHECKING:
    from flask import Flask

    from canary.console.security import Access
    from canary.console.tls import TLS

THREADS = 8
MOST_WAITING = 64
"""Connections that may wait for a thread. Further ones are answered with 503."""

MOST_BYTES = 16 * 1024
"""Largest header and largest body of a request."""

PATIENCE = 10
"""Seconds that a browser may be silent within a request."""


class Server:
    """Serves a console in threads of its own."""

    def __init__(self, app: Flask, access: Access, host: str, port: int, tls: TLS | None = None) -> None:
        """Start to listen.

        Args:
            app: the console.
            access: who may use it.
            host: address to listen on.
            port: to listen on, 0 for a free one.
            tls: certificate and key; only loopback does without.

        Raises:
            InputError: the address needs TLS, or the port is taken.
        """
        if tls is None and not is_loopback(f"http://{_bracketed(host)}"):
            raise InputError(
                f"--listen {host}: without TLS, others on the network could read the token and press the buttons; "
                "pass --tls-cert FILE and --tls-key FILE, or listen on 127.0.0.1"
            )
        self._server = _PatientServer(
            (host, port),
            app,
            numthreads=THREADS,
            request_queue_size=MOST_WAITING,
            accepted_queue_size=MOST_WAITING,
            timeout=PATIENCE,
            shutdown_timeout=1,
            server_name=host,
        )
        self._server.max_request_header_size = self._server.max_request_body_size = MOST_BYTES
        self._server.ssl_adapter = Adapter(tls) if tls else None
        self._server.expiration_interval = 0.1
        try:
            # Cheroot does not close a socket that it could not bind, so another one tries it first.
            socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
            self._server.prepare()
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(
                f"the console cannot listen on {_bracketed(host)}:{port}: {reason}; pass another address or port "
                "(--listen 127.0.0.1:0 takes a free port)"
            ) from error
        self.port: int = self._server.bind_addr[1]
        named = next(iter(sorted(tls.names)), host) if tls and _is_any(host) else host
        scheme = "https" if tls else "http"
        self.address = f"{scheme}://{_bracketed(named)}:{self.port}/?token={access.token}"
        self._thread = threading.Thread(target=self._server.serve, name="canary-console", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more, once open requests are done."""
        self._server.stop()
        if self._thread.is_alive():
            self._thread.join()


class _PatientServer(wsgi.Server):
    """A server whose threads only read from connections that have sent something.

    A connection that is silent waits aside, so that many of them do not keep the others waiting.
    """

    def process_conn(self, conn: Any) -> None:  # noqa: ANN401 - of cheroot
        """Give a connection to a thread, or let it wait."""
        if conn.rfile.has_data() or _is_readable(conn.socket):
            super().process_conn(conn)
        else:
            self.put_conn(conn)

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Keep to itself which browsers hung up or sent nonsense: stderr belongs to the release."""


def _is_readable(connection: socket.socket) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        return bool(selector.select(timeout=0))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_any(host: str) -> bool:
    """Return whether a host stands for all addresses of this machine, so that no browser can open it."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
