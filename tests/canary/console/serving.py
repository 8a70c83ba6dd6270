"""A console that is served, and a client that opens it as a browser does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from canary.console.app import Desk, make_app
from canary.console.security import Access
from canary.console.server import Server
from canary.console.tls import TLS


@dataclass
class Console:
    """A console that is served, and a session of one browser.

    Attributes:
        address: that it prints, with the token.
        base: the same without the token.
        session: has the cookie once the address was opened.
    """

    address: str
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False

    @property
    def base(self) -> str:
        return self.address.partition("/?")[0]

    def open(self) -> requests.Response:
        """Open the printed address."""
        return self.session.get(self.address, timeout=10)

    def get(self, path: str, **headers: str) -> requests.Response:
        """Return an answer, with the cookie whatever the Host header says."""
        if not self.session.cookies:
            self.open()
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.session.cookies.items()), **headers}
        return self.session.get(f"{self.base}{path}", headers=headers, timeout=10, allow_redirects=False)

    def form(self, path: str = "/") -> dict[str, str]:
        """Return the hidden fields of the form on a page."""
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', self.get(path).text))

    def press(self, action: str, *, headers: dict[str, str] | None = None, **fields: str) -> requests.Response:
        """Press a button as a browser does, and return the page that follows; `fields` replace those of the form."""
        data = {**self.form(), "action": action, **{name.replace("__", "-"): value for name, value in fields.items()}}
        sent = {"Origin": self.base, "Sec-Fetch-Site": "same-origin"} if headers is None else headers
        return self.session.post(f"{self.base}/decide", data=data, headers=sent, timeout=10)


@contextmanager
def serving(
    desk: Desk,
    *,
    access: Access | None = None,
    reports: Path | None = None,
    tls: TLS | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    poll: float = 2.0,
) -> Iterator[Console]:
    """Serve a console."""
    access = access or Access(names=tls.names if tls else frozenset())
    server = Server(make_app(desk, access=access, reports=reports, person="ada", poll=poll), access, host, port, tls)
    server.start()
    console = Console(server.address)
    try:
        yield console
    finally:
        console.session.close()
        server.stop()
