"""The page of a console, opened as a browser does."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests

from e2e.polling import poll


@dataclass(frozen=True)
class Page:
    """A console, and the session of one browser.

    Attributes:
        address: that the console printed.
        session: has the cookie once the address was opened.
    """

    address: str
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False

    @classmethod
    def in_output(cls, output: str) -> Page:
        """Return the console whose address a command has printed."""
        (address,) = re.findall(r"https?://\S+/\?token=\S+", output)
        return cls(address)

    def text(self) -> str:
        """Return the page as it is now."""
        answer = self.session.get(self.address, timeout=30)
        answer.raise_for_status()
        return answer.text

    def until(self, words: str) -> str:
        """Return the page once it has these words."""

        def look() -> str | None:
            time.sleep(0.5)  # else drawing pages would take the time of the release
            return text if words in (text := self.text()) else None

        return poll(f"a page with {words!r}", look)

    def press(self, action: str, *, typed: str = "", reason: str = "", headers: Mapping[str, str] | None = None) -> str:
        """Press a button, and return the page that follows."""
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', self.text()))
        base = self.address.partition("/?")[0]
        data = {**hidden, "action": action, f"typed-{action}": typed, "reason": reason}
        sent = {"Origin": base, "Sec-Fetch-Site": "same-origin", **(headers or {})}
        return self.session.post(f"{base}/decide", data=data, headers=sent, timeout=60).text
