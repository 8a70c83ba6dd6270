"""The newest overview, kept for the time when the cluster does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from canary.errors import CanaryError
from canary.release.overview import Overview
from canary.times import local_time

PATIENCE = 1.5
"""Seconds that a page waits for the cluster before it shows what was known before."""

FIRST_PATIENCE = 10.0
"""The same while nothing is known yet."""


@dataclass(frozen=True)
class Seen:
    """What is known.

    Attributes:
        overview: the newest one, None if there never was one.
        problem: why there is none newer, empty if there is.
    """

    overview: Overview | None
    problem: str = ""


class Latest:
    """Asks for overviews, one at a time however many pages wait, and keeps the last one."""

    def __init__(self, ask: Callable[[], Overview], *, slow: float) -> None:
        """Ask for nothing yet.

        Args:
            ask: returns the newest overview.
            slow: seconds without an answer after which the cluster counts as gone.
        """
        self._ask = ask
        self._slow = slow
        self._seen = Seen(None)
        self._lock = threading.Lock()
        self._asked: tuple[float, Future[Seen]] | None = None

    def read(self) -> Seen:
        """Return what is known now."""
        with self._lock:
            if self._asked is None:
                self._asked = time.time(), Future()
                threading.Thread(target=self._read, args=self._asked[1:], name="canary-overview", daemon=True).start()
            since, answer = self._asked
        try:
            return answer.result(FIRST_PATIENCE if self._seen.overview is None else PATIENCE)
        except TimeoutError:
            known = self._seen
            if known.overview is not None and time.time() - since < self._slow:
                return known
            waits = f"the API server does not answer; the console has been asking since {local_time(since)}"
            return Seen(known.overview, known.problem or waits)

    def _read(self, answer: Future[Seen]) -> None:
        bug: Exception | None = None
        try:
            self._seen = Seen(self._ask())
        except CanaryError as error:
            self._seen = Seen(self._seen.overview, str(error))
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is read
            bug = error
        with self._lock:
            self._asked = None  # before the answer: who reads it may ask again at once
        if bug:
            answer.set_exception(bug)
        else:
            answer.set_result(self._seen)
