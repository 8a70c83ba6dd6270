"""Whether the API server answers: for how long it has not, and who is told.

Several threads ask it at the same time, and one request may be sent while another is being tried again. An outage is
told once, and once more when it is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

QUIET = 2.0
"""Seconds that an outage may last before anything is said of it."""

SETTLES = 20.0
"""Seconds after an outage for which an API server may refuse what it allows later: it is still loading its rules."""


@dataclass
class Contact:
    """What is known of the way to one API server.

    Attributes:
        say: tells a person.
        monotonic: seconds that only rise.
    """

    say: Callable[[str], None] = lambda _: None
    monotonic: Callable[[], float] = time.monotonic
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)
    _failing: int = field(default=0, init=False, repr=False)
    _since: float = field(default=0.0, init=False, repr=False)
    _before: float = field(default=0.0, init=False, repr=False)
    _fault: float | None = field(default=None, init=False, repr=False)
    _teller: object = field(default=None, init=False, repr=False)

    @property
    def away(self) -> float:
        """Return the seconds for which requests have got no answer so far, all outages together."""
        with self._lock:
            return self._before + (self.monotonic() - self._since if self._failing else 0.0)

    @property
    def is_settling(self) -> bool:
        """Return whether the API server was away until a moment ago."""
        with self._lock:
            return self._fault is not None and self.monotonic() - self._fault < SETTLES

    def note_fault(self) -> None:
        """Note that a request has got no answer."""
        with self._lock:
            self._fault = self.monotonic()

    @contextmanager
    def outage(self) -> Iterator[Outage]:
        """Return the outage that one request may meet; it ends with the request."""
        outage = Outage(self)
        try:
            yield outage
        finally:
            self._ends(outage)

    def begins(self) -> float:
        """Note that one more request fails, and return when: monotonic seconds."""
        with self._lock:
            now = self.monotonic()
            if not self._failing:
                self._since = now
            self._failing += 1
            return now

    def is_teller(self, outage: Outage) -> bool:
        """Return whether this request is to tell a person now, which no other does."""
        with self._lock:
            if self._teller is None and outage.lasts >= QUIET:
                self._teller = outage
                return True
            return False

    def _ends(self, outage: Outage) -> None:
        with self._lock:
            if outage.began is not None:
                self._failing -= 1
                if not self._failing:
                    self._before += self.monotonic() - self._since
            told = self._teller is outage
            if told:
                self._teller = None
        if told and outage.is_over:
            self.say(f"{outage.server} answers again, after {outage.lasts:.0f} s")


@dataclass(eq=False)
class Outage:
    """The time in which one request is tried again and again.

    Attributes:
        contact: with the API server.
        began: monotonic seconds when it first failed, None while it has not.
        server: where it was sent, for a person.
        is_over: whether it was answered in the end.
    """

    contact: Contact
    began: float | None = None
    server: str = ""
    is_over: bool = False

    @property
    def lasts(self) -> float:
        """Return for how many seconds the request has been failing."""
        return 0.0 if self.began is None else self.contact.monotonic() - self.began

    def goes_on(self, server: str, why: str, patience: float, *, is_fault: bool) -> None:
        """Note that the request has failed, again, and tell a person if it has for a while.

        Args:
            server: where it was sent.
            why: it failed, in a sentence.
            patience: seconds for which it is tried again.
            is_fault: whether the server was away; one that is busy has not forgotten who may do what.
        """
        self.server = server
        if self.began is None:
            self.began = self.contact.begins()
        if is_fault:
            self.contact.note_fault()
        if patience - self.lasts > QUIET and self.contact.is_teller(self):
            self.contact.say(f"{why}; waiting up to {patience:g} s for it")
