"""Whether the API server answers, for how long it has not, and who reports that.

Several threads send requests at the same time. One of them reports an outage, and its end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

QUIET = 2.0
"""Seconds that an outage may last before it is reported."""

SETTLES = 20.0
"""Seconds after an outage in which an API server may refuse what it allows later: it is still loading its rules."""


@dataclass
class Availability:
    """What is known of the way to one API server.

    Attributes:
        report: shows a text to a person.
        monotonic: returns seconds that never go back.
    """

    report: Callable[[str], None] = lambda _: None
    monotonic: Callable[[], float] = time.monotonic
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)
    _failing: int = field(default=0, init=False, repr=False)
    _since: float = field(default=0.0, init=False, repr=False)
    _before: float = field(default=0.0, init=False, repr=False)
    _last_fault: float | None = field(default=None, init=False, repr=False)
    _reporter: object = field(default=None, init=False, repr=False)

    @property
    def away(self) -> float:
        """Return for how many seconds requests have got no answer, in all outages together."""
        with self._lock:
            return self._before + (self.monotonic() - self._since if self._failing else 0.0)

    @property
    def is_settling(self) -> bool:
        """Return whether an outage ended a moment ago."""
        with self._lock:
            return self._last_fault is not None and self.monotonic() - self._last_fault < SETTLES

    def note_fault(self) -> None:
        """Note that a request has got no answer."""
        with self._lock:
            self._last_fault = self.monotonic()

    @contextmanager
    def outage(self) -> Iterator[Outage]:
        """Return the outage that one request may meet. It ends with the request."""
        outage = Outage(self)
        try:
            yield outage
        finally:
            self._end(outage)

    def begin(self) -> float:
        """Note that one more request is failing, and return the time, in monotonic seconds."""
        with self._lock:
            now = self.monotonic()
            if not self._failing:
                self._since = now
            self._failing += 1
            return now

    def is_reported_by(self, outage: Outage) -> bool:
        """Return whether it is this request that reports the outage, now. No other request does."""
        with self._lock:
            if self._reporter is None and outage.seconds >= QUIET:
                self._reporter = outage
                return True
            return False

    def _end(self, outage: Outage) -> None:
        with self._lock:
            if outage.began is not None:
                self._failing -= 1
                if not self._failing:
                    self._before += self.monotonic() - self._since
            is_reporter = self._reporter is outage
            if is_reporter:
                self._reporter = None
        if is_reporter and outage.is_over:
            self.report(f"{outage.server} answers again, after {outage.seconds:.0f} s")


@dataclass(eq=False)
class Outage:
    """The time during which one request is repeated because it fails.

    Attributes:
        availability: of the API server.
        began: monotonic seconds of the first failure, None before it.
        server: where the request is sent, for a person.
        is_over: whether the request was answered in the end.
    """

    availability: Availability
    began: float | None = None
    server: str = ""
    is_over: bool = False

    @property
    def seconds(self) -> float:
        """Return for how many seconds the request has been failing."""
        return 0.0 if self.began is None else self.availability.monotonic() - self.began

    def note_failure(self, server: str, why: str, patience: float, *, is_fault: bool) -> None:
        """Note that the request has failed again, and report that if it has been failing for a while.

        Args:
            server: where the request was sent.
            why: the reason, as a sentence.
            patience: seconds for which the request is repeated.
            is_fault: whether the server was away. A server that is only busy has its rules loaded.
        """
        self.server = server
        if self.began is None:
            self.began = self.availability.begin()
        if is_fault:
            self.availability.note_fault()
        if patience - self.seconds > QUIET and self.availability.is_reported_by(self):
            self.availability.report(f"{why}; waiting up to {patience:g} s for it")
