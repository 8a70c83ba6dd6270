"""Waiting for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def poll(what: str, look: Callable[[], T | None], seconds: float = 60) -> T:
    """Return the first truthy answer of `look`; fail with its last answer after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        last = look()
        if last:
            return last
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds:g} s; last seen: {last!r}")
        time.sleep(0.05)
