"""The machine's clock, and how a signal interrupts it.

Python raises KeyboardInterrupt wherever the main thread is. In an object's finalizer (each HTTP answer has one) the
exception is printed and lost. So an interruption is remembered, and raised again at the next sleep.
"""

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
        """Return seconds that never go back, even if the machine's date is changed."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            KeyboardInterrupt: a signal has interrupted the process before.
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
