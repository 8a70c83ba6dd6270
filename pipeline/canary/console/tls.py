"""TLS of the console: its files, the names that they are for, and connections that they protect."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cheroot import ssl as cheroot_ssl
from cheroot.makefile import MakeFile

from canary.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class TLS:
    """The files for TLS.

    Attributes:
        certificate: file of the certificate chain.
        key: file of its private key.
        names: host names and addresses that the certificate is for.
    """

    certificate: Path
    key: Path
    names: frozenset[str]

    @classmethod
    def read(cls, certificate: Path, key: Path) -> TLS:
        """Return the files once a handshake with them has succeeded.

        Raises:
            InputError: they cannot be read, do not belong together, or the certificate is not valid now.
        """
        try:
            return cls(certificate, key, _names(certificate, key))
        except (OSError, ValueError) as error:
            said = (getattr(error, name, None) for name in ("verify_message", "reason", "strerror"))
            reason = str(next((text for text in said if text), error)).lower().replace("_", " ")
            raise InputError(
                f"certificate {certificate} with key {key}: {reason}; pass a certificate chain "
                "and its private key without a password, both as PEM files (--tls-cert, --tls-key)"
            ) from error


class Adapter(cheroot_ssl.Adapter):
    """Protects the connections of a server."""

    def __init__(self, tls: TLS) -> None:
        self.context = _context(tls.certificate, tls.key)

    def bind(self, sock: socket.socket) -> socket.socket:
        """Return the listening socket as it is."""
        return sock

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        """Return a connection whose handshake comes with its first bytes, in a thread of its own.

        A handshake at once would be one in the thread that accepts connections: a peer that connects and then is silent
        would keep all others waiting.
        """
        return self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), self.get_environ()

    def get_environ(self) -> dict[str, str]:
        """Return what the application learns of the connection."""
        return {"wsgi.url_scheme": "https", "HTTPS": "on"}

    def makefile(self, sock: ssl.SSLSocket, mode: str = "r", bufsize: int = -1) -> Any:  # noqa: ANN401 - cheroot's
        """Return a connection as a file."""
        return MakeFile(sock, mode, bufsize)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key, password=lambda: "")  # without, OpenSSL would ask at the terminal
    return context


def _names(certificate: Path, key: Path) -> frozenset[str]:
    """Return the names in a certificate, from a handshake with oneself.

    Raises:
        OSError, ValueError: the files are not fit for TLS.
    """
    client = ssl.create_default_context(cafile=certificate)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the certificate itself is what is trusted
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (
        client.wrap_bio(to_client, to_server),
        _context(certificate, key).wrap_bio(to_server, to_client, server_side=True),
    )
    done: set[ssl.SSLObject] = set()
    while len(done) < len(sides):
        for side in sides:
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
    found = sides[0].getpeercert() or {}
    names: Any = found.get("subjectAltName", ())
    return frozenset(name.lower() for kind, name in names if kind in ("DNS", "IP Address"))
