"""Threads that send requests while a block lasts."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(kw_only=True)
class InBackground(ABC):
    """Runs `send` in threads from the beginning of a `with` block to its end.

    Attributes:
        threads: how many at once.
        stop: set when the block ends.
    """

    threads: int = 4
    stop: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)

    @abstractmethod
    def send(self) -> None:
        """Send requests until `stop` is set, and never for ever."""

    def __enter__(self) -> Self:
        self._running = [threading.Thread(target=self.send) for _ in range(self.threads)]
        for thread in self._running:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        for thread in self._running:
            thread.join()
