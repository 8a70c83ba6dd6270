"""Delivers notifications to one receiver, in a thread of its own: a receiver that hangs holds nothing up."""

import threading
import time
from collections import deque
from typing import Protocol

from canary.errors import CanaryError
from canary.notifications.notification import Notification
from canary.plurals import counted

CAPACITY = 100
"""Notifications that may wait for their delivery. Those that come when as many wait are lost, and reported."""

PATIENCE = 300.0
"""Seconds for which one notification is sent again and again."""

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
"""Seconds between two attempts, doubled from the first to the longest."""


class TryAgainError(Exception):
    """A notification was not delivered, and a later attempt may succeed.

    Attributes:
        seconds: how long the receiver wants to be left alone.
    """

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class Sender(Protocol):
    """Delivers notifications to one receiver."""

    @property
    def destination(self) -> str:
        """Where notifications go, with its preposition, for messages: `to https://chat.example`. It holds no secret."""

    @property
    def advice(self) -> str:
        """What a person should do if it fails, as a sentence without its full stop."""

    def send(self, notification: Notification) -> None:
        """Deliver a notification, by one attempt.

        Raises:
            TryAgainError: a later attempt may succeed.
            CanaryError: no attempt would succeed.
        """

    def close(self) -> None:
        """Close all sockets."""


class Outbox:
    """Keeps the notifications for one receiver until they are delivered, in their order."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._waiting: deque[Notification] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._give_up_at: float | None = None
        self._count = 0
        self._lost = 0
        self._problem = ""

    def put(self, notification: Notification) -> None:
        """Take a notification, and return immediately."""
        with self._changed:
            self._count += 1
            if len(self._waiting) >= CAPACITY:
                self._lost += 1
                self._problem = self._problem or "too many were waiting"
                return
            self._waiting.append(notification)
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)
            self._thread.start()

    def finish(self, seconds: float) -> None:
        """Let the thread try for this many more seconds. If it pauses between two attempts, the next one comes now."""
        with self._changed:
            self._give_up_at = time.monotonic() + seconds
            self._changed.notify()

    def wait(self) -> None:
        """Wait until all is delivered or the time of `finish` is over."""
        if self._thread is not None and self._give_up_at is not None:
            self._thread.join(max(0.0, self._give_up_at - time.monotonic()))

    @property
    def report(self) -> str:
        """What was not delivered, why, and what to do; empty if all was delivered."""
        with self._changed:
            lost, problem = self._lost + len(self._waiting), self._problem
        if not lost:
            return ""
        why = problem or "it did not answer in time"
        return (
            f"{lost} of {counted(self._count, 'notification')} could not be sent {self._sender.destination}: {why}. "
            f"This does not affect the release. {self._sender.advice}"
        )

    def _run(self) -> None:
        try:
            while (notification := self._next()) is not None:
                is_delivered = self._deliver(notification)
                with self._changed:
                    self._waiting.popleft()
                    self._lost += not is_delivered
        finally:
            self._sender.close()

    def _next(self) -> Notification | None:
        """Return the next notification to deliver, None if there will be none or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._give_up_at is not None)
            is_over = self._give_up_at is not None and time.monotonic() >= self._give_up_at
            return self._waiting[0] if self._waiting and not is_over else None

    def _deliver(self, notification: Notification) -> bool:
        """Try until a notification is delivered, and return whether it is."""
        delay, until = FIRST_DELAY, time.monotonic() + PATIENCE
        while True:
            try:
                self._sender.send(notification)
            except TryAgainError as error:
                self._problem = str(error)
                wait = max(delay, error.seconds)
            except CanaryError as error:
                self._problem = str(error)
                return False
            except Exception as error:  # noqa: BLE001 - a bug here must not end a release, and its text may hold a secret
                self._problem = f"a bug in canary ({type(error).__name__})"
                return False
            else:
                return True
            if not self._pause(wait, until):
                return False
            delay = min(delay * 2, LONGEST_DELAY)

    def _pause(self, seconds: float, until: float) -> bool:
        """Wait before another attempt, and return whether there is to be one."""
        with self._changed:
            if self._give_up_at is None:
                if time.monotonic() + seconds > until:
                    return False
                self._changed.wait_for(lambda: self._give_up_at is not None, seconds)
                return True
            left = self._give_up_at - time.monotonic()
        if seconds >= left:
            return False
        time.sleep(seconds)
        return True
