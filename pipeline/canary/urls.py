"""URLs of servers: whether they lead to this machine, what of them may be shown, and why one cannot be reached."""

import ipaddress
import re
from http.client import RemoteDisconnected
from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Return whether a URL leads to this machine. No proxy may be used for it, whatever HTTPS_PROXY says."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def origin(url: str) -> str:
    """Return scheme, host and port of a URL: what may be shown, as user, password and path may be secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def shown(text: str) -> str:
    """Return what may be shown of a text that should be a URL: without user and password, and without a path."""
    return origin(text) if "://" in text else text.rpartition("@")[2]


def cause(error: BaseException) -> str:
    """Return why a request of `requests` got no answer: the text of the innermost error, as outer ones hold the URL."""
    inner, seen = error, {id(error)}
    while (deeper := _behind(inner)) is not None and id(deeper) not in seen:
        inner = deeper
        seen.add(id(inner))
    if isinstance(inner, OSError) and inner.strerror:
        return re.sub(r"^\[.*?\] | \(_ssl\.c:\d+\)$", "", inner.strerror).rpartition(": ")[2]
    return str(inner) if isinstance(inner, RemoteDisconnected) else type(inner).__name__


def _behind(error: BaseException) -> BaseException | None:
    """Return the error that caused another one, None if there is none."""
    found = (getattr(error, "reason", None), error.__cause__, *error.args, error.__context__)
    return next((one for one in found if isinstance(one, BaseException)), None)
