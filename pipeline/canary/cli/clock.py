"""The machine's time, and its interruption.

Python raises KeyboardInterrupt wherever the main thread happens to be. Where that is an object's finalizer (each HTTP
answer has one), it is printed and forgotten. So an interruption is remembered, and raised again at the next sleep.
"""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import NoReturn


class SystemClock:
    """The machine's time."""

    interrupted = False

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that only rise, whatever is done to the machine's date."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            KeyboardInterrupt: the process was interrupted before, and has not stopped.
        """
        if SystemClock.interrupted:
            raise KeyboardInterrupt
        time.sleep(seconds)


def interrupt_on_signals() -> None:
    """Let SIGINT (which a shell's background jobs start with ignored) and SIGTERM raise KeyboardInterrupt."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - a signal handler's signature
    SystemClock.interrupted = True
    raise KeyboardInterrupt
