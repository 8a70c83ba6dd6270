"""A desk that shows a made-up overview, and notes which buttons were pressed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from canary.errors import CanaryError
from canary.release.overview import (
    Action,
    Overview,
)


@dataclass
class FakeDesk:
    """A desk with a made-up overview.

    Attributes:
        shown: what it shows.
        acts: what was pressed.
        problem: raised in place of an overview.
        refusal: raised by each button.
        released: overviews wait for it, if there is one.
        done: buttons wait for it, if there is one.
    """

    shown: Overview
    acts: list[tuple[str, Action, str, str, str]] = field(default_factory=list)
    problem: Exception | None = None
    refusal: CanaryError | None = None
    released: threading.Event | None = None
    done: threading.Event | None = None

    def hold(self) -> threading.Event:
        """Let overviews wait until the event is set."""
        self.released = threading.Event()
        return self.released

    def overview(self) -> Overview:
        if self.released:
            self.released.wait(30)
        if self.problem:
            raise self.problem
        return self.shown

    def act(self, workload: str, action: Action, *, by: str, typed: str, reason: str) -> str:
        if self.done:
            self.done.wait(30)
        if self.refusal:
            raise self.refusal
        self.acts.append((workload, action, by, typed, reason))
        return f"{by} pressed {action}"
