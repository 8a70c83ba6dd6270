"""URLs of servers: whether they lead to this machine, what of them may be shown, and why one cannot be reached."""

import ipaddress
import re
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


def cause(error: OSError) -> str:
    """Return the cause of an error of `requests`, without the addresses of urllib3's objects."""
    return re.split(r">: |: |\[Errno \d+\] ", str(error))[-1].strip("'\")") or type(error).__name__
