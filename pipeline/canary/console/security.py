"""Who may use the console, and from where.

attack                                             protection
another user of this machine opens the port        a random token in the printed address, exchanged for a cookie
the address with the token leaks from the browser  a redirect to an address without it; no referrer
a cookie is stolen or sent along                   HttpOnly, SameSite=Strict, one name per port, Secure with TLS
a page elsewhere sends a form to the console       Origin, Sec-Fetch-Site, and a token in each form
a DNS name is pointed at this machine              the Host header must be a known name
a name from the cluster holds markup               templates escape it, and no inline script or style is allowed
the console is shown in a frame of another page    frame-ancestors
a page is found in a cache                         no-store
large or slow requests                             limits of size, time and threads: see `server`
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from canary.errors import InputError
from canary.printable import printable

if TYPE_CHECKING:
    from flask import Flask, Request, Response
    from werkzeug.datastructures import Headers

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Of each page. Nothing comes from another host, and nothing in a page runs but the files of the console."""

REPORT_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-same-origin"
)
"""Of a report: it brings its style along, and its sandbox allows no script and no form.

It keeps the console's origin, because a browser sends no cookie for links of a page without one.
"""

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send `Origin: null` along with a form
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


PUBLIC = ("static", "chart_css")
"""Endpoints that need no cookie: they say nothing of a release, and the page that refuses access has a style, too."""


@dataclass(frozen=True)
class Access:
    """Who may use a console.

    Attributes:
        names: host names and addresses by which browsers reach it, next to those of loopback. `*.example.com` stands
            for each name of one more part.
        user_header: header in which a proxy that authenticates passes on who the person is; empty if there is none.
        token: which the printed address carries.
    """

    names: frozenset[str] = frozenset()
    user_header: str = ""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def cookie(self) -> str:
        """Return the content of the cookie that a browser gets for the token."""
        return self._derived("cookie")

    @property
    def form_token(self) -> str:
        """Return what each form must carry. Other pages cannot read it."""
        return self._derived("form")

    def is_known(self, host: str) -> bool:
        """Return whether a Host header names this console. Its port does not matter: a proxy may have another one."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        return is_local(name) or name in self.names or f"*.{name.partition('.')[2]}" in self.names

    def person(self, headers: Headers, default: str) -> str:
        """Return who sends a request.

        Raises:
            InputError: the proxy does not say it.
        """
        if not self.user_header:
            return default
        person = printable(headers.get(self.user_header, "")).strip()[:100]
        if not person:
            raise InputError(
                f"the request has no header {self.user_header}, which says who you are; open the console through the "
                "proxy that sets it (--user-header)"
            )
        return person

    def known_person(self, headers: Headers, default: str) -> str:
        """Return who sends a request, empty if the proxy does not say it."""
        try:
            return self.person(headers, default)
        except InputError:
            return ""

    def _derived(self, purpose: str) -> str:
        return hmac.new(self.token.encode(), purpose.encode(), hashlib.sha256).hexdigest()


Refusal = Callable[[int, str, str], "Response"]
"""Makes a page of a status, of what is wrong, and of what to do next."""


def guard(app: Flask, access: Access, refuse: Refusal) -> None:
    """Let only those requests through to the pages that `access` allows, and send `HEADERS` with each answer."""
    from flask import request  # noqa: PLC0415 - `canary --help` must not load Flask

    @app.before_request
    def admit() -> Response | None:
        if not access.is_known(request.host):
            return refuse(
                421,
                "This is not an address of the console",
                "Open the address that the console printed. To use another name, start the console with a TLS "
                "certificate for it, or, behind a proxy, with --host-name.",
            )
        if request.endpoint in PUBLIC:
            return None
        if "token" in request.args and request.method == "GET":
            if _equal(request.args["token"], access.token):
                return _exchange(app, access, request)
            return refuse(401, "This address has an old or wrong token", _REOPEN)
        if not _equal(request.cookies.get(cookie_name(request), ""), access.cookie):
            return refuse(401, "The console does not know this browser", _REOPEN)
        if request.method not in ("GET", "HEAD"):
            if not _is_from_here(request):
                proxy = (
                    " A proxy in front of it must pass on the Host header as it gets it." if access.user_header else ""
                )
                todo = f"Nothing was done. Use the buttons of the console.{proxy}"
                return refuse(403, "Another site sent this form", todo)
            if not _equal(request.form.get("form_token", ""), access.form_token):
                return refuse(403, "This form is out of date", "Nothing was done. Go back, and press the button again.")
        return None

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"  # Flask has another opinion of files
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def cookie_name(request: Request) -> str:
    """Return the cookie's name. It has the port, because a browser sends a host's cookies to all of its ports."""
    prefix = "__Host-" if request.is_secure else ""
    return f"{prefix}canary-lab-{request.environ['SERVER_PORT']}"


def is_local(name: str) -> bool:
    """Return whether a host name or address, in lower case, leads to this machine alone."""
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost"


_REOPEN = (
    "Open the address that the console printed when it started, with the token at its end. Each start has a new token."
)


def _exchange(app: Flask, access: Access, request: Request) -> Response:
    """Return a redirect to the address without the token, and the cookie."""
    response = app.make_response(("", 303, {"Location": "/"}))
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        # After a click on another site, a browser that is redirected does not send a strict cookie.
        page = '<!doctype html><html lang="en"><title>Canary Lab</title><p><a href="/">Open the console</a></p></html>'
        response = app.make_response((page, 200, {"Refresh": "0; url=/"}))
    response.headers["Referrer-Policy"] = "no-referrer"
    response.set_cookie(
        cookie_name(request), access.cookie, httponly=True, samesite="Strict", secure=request.is_secure, path="/"
    )
    return response


def _is_from_here(request: Request) -> bool:
    """Return whether a page of the console sent a request, as far as the browser says."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    return site == "same-origin" and origin is not None and urlsplit(origin).netloc.lower() == request.host.lower()


def _equal(given: str, expected: str) -> bool:
    """Return whether two texts are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode(), expected.encode())
