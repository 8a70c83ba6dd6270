"""A clock for tests of waiting."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Time:
    """A clock that moves only by sleeping."""

    now: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
