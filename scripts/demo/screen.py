"""What the demo shows: lines that stay, and below them a row of squares per variant, with one square per answer."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType

    from scripts.demo.load import Answer

VARIANTS = ("stable", "baseline", "canary")
SQUARES = 60
PAUSE = 5.0  # seconds between two strips where the output cannot be redrawn


class Strip:
    """The last answers of each variant, and the totals."""

    def __init__(self) -> None:
        self._last: dict[str, deque[bool]] = {one: deque(maxlen=SQUARES) for one in VARIANTS}
        self._good = dict.fromkeys(VARIANTS, 0)
        self._total = dict.fromkeys(VARIANTS, 0)

    def add(self, answers: Iterable[Answer]) -> None:
        """Add answers."""
        for answer in answers:
            if not answer.failure:
                self._last[answer.variant].append(answer.good)
                self._good[answer.variant] += answer.good
                self._total[answer.variant] += 1

    def draw(self, width: int) -> Group:
        """Return a line for each variant that has answered: filled green squares are good, hollow red ones bad."""
        room = max(10, min(SQUARES, width - 50))
        lines = []
        for variant, total in self._total.items():
            if total:
                line = Text(f"  {variant:<9}")
                for good in list(self._last[variant])[-room:]:
                    line.append("■" if good else "□", "green" if good else "red")
                line.append(
                    f"  {self._good[variant] / total:4.0%} good of {total:,} answer{'' if total == 1 else 's'}", "dim"
                )
                lines.append(line)
        return Group(*lines)


class Screen:
    """Writes to a console; redraws the strip on a terminal, and prints one every few seconds elsewhere."""

    def __init__(self, console: Console) -> None:
        """Write to a console."""
        self.console = console
        self.strip = Strip()
        self._live: Live | None = None
        self._printed = time.monotonic()
        self._new = False

    def title(self, text: str) -> None:
        """Begin an act, with an empty strip."""
        self.settle()
        self.strip = Strip()
        self.console.print()
        self.console.print(Rule(Text(text, "bold"), align="left", style="cyan"))

    def say(self, text: str | Text | RenderableType) -> None:
        """Print something, with lines broken between words on a terminal and unbroken in logs."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=not self.console.is_terminal)

    def line(self, text: Text) -> None:
        """Print a line of a command's output, indented; in logs it stays one line."""
        if self.console.is_terminal:
            self.console.print(Padding(text, (0, 0, 0, 2)))
        else:
            self.say(Text.assemble("  ", text))

    def command(self, *words: str) -> None:
        """Print a command that runs, in a form that the reader can type."""
        self.console.print(Text(f"$ {' '.join(words)}", "bold cyan"), soft_wrap=True)  # unbroken, to copy

    def answers(self, answers: list[Answer]) -> None:
        """Show new answers."""
        self.strip.add(answers)
        self._new |= bool(answers)
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            if self._live is None:
                self._live = Live(console=self.console, auto_refresh=False)
                self._live.start()
            self._live.update(self.strip.draw(self.console.width), refresh=True)
        elif time.monotonic() - self._printed > PAUSE:
            self.settle()

    def settle(self) -> None:
        """Leave the strip as it is, and continue below it."""
        if self._live:
            self._live.stop()
            self._live = None
        elif self._new:
            self.say(self.strip.draw(self.console.width))
        self._printed, self._new = time.monotonic(), False
