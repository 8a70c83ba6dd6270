"""A listener that shows a release: a live table on a terminal, timestamped lines where there is none (pipelines)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from canary.events import Event, Looked, Ready, Waiting
from canary.terminal.lines import words
from canary.terminal.table import look
from canary.verdict.rule import Decision

QUIET = 10.0  # seconds between two lines about looks that say the same


class Output(Console):
    """A console whose reader may go away: that is raised as BrokenPipeError, where rich would end the process."""

    def on_broken_pipe(self) -> None:
        """Raise what rich is handling."""
        raise BrokenPipeError


class Terminal:
    """Shows events on a console, which should write to stderr: stdout is for results."""

    def __init__(self, console: Console, *, live: bool | None = None, now: Callable[[], float] = time.time) -> None:
        """Show events on a console.

        Args:
            console: where to.
            live: whether it can redraw; by default where it is a terminal, and not a dumb one.
            now: Unix seconds, for the lines' timestamps.
        """
        self._console = console
        self._can_redraw = console.file.isatty() and not console.is_dumb_terminal if live is None else live
        self._now = now
        self._live: Live | None = None
        self._gone = False
        self._waiting: dict[str, Waiting] = {}
        self._told: tuple[float, Decision] | None = None

    def __call__(self, event: Event) -> None:
        """Show what happened; nothing more once that fails: a release does not end because nobody reads of it."""
        with self._unless_nobody_reads():
            if self._gone:
                return
            if self._can_redraw:
                self._redraw(event)
            else:
                self._line(event)

    def close(self) -> None:
        """Leave the last table where it is, and give the cursor back."""
        with self._unless_nobody_reads():
            live, self._live = self._live, None
            if live:
                live.stop()

    @contextmanager
    def _unless_nobody_reads(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._gone, self._live = True, None
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._console.file.fileno())  # for what is left in buffers, and for errors' messages
            os.close(nowhere)

    def _redraw(self, event: Event) -> None:
        if isinstance(event, Waiting):
            self._waiting[event.name] = event
            self._show(Group(*(words(one) or Text() for one in self._waiting.values())), stays=False)
        elif isinstance(event, Looked):
            self._show(look(event, self._console.width), stays=True)
        elif text := words(event):
            if isinstance(event, Ready):
                self._waiting.pop(event.name, None)
            self.close()
            self._console.print(text)

    def _show(self, content: RenderableType, *, stays: bool) -> None:
        """Draw over what was drawn before.

        Args:
            content: what to draw.
            stays: whether it is to be left there when something else is said.
        """
        if self._live and self._live.transient == stays:
            self.close()
        if not self._live:
            self._live = Live(
                console=self._console,
                auto_refresh=False,  # no thread: events come often enough
                redirect_stdout=False,
                redirect_stderr=False,
                transient=not stays,
            )
            self._live.start()
        self._live.update(content, refresh=True)

    def _line(self, event: Event) -> None:
        if isinstance(event, Waiting):
            if self._waiting.get(event.name) == event:
                return
            self._waiting[event.name] = event
        if isinstance(event, Looked):
            said = self._told
            if event.last or (said and event.verdict.decision is said[1] and event.at - said[0] < QUIET):
                return  # the verdict follows and says the same
            self._told = (event.at, event.verdict.decision)
        text = words(event)
        if text:
            stamp = time.strftime("%H:%M:%S", time.localtime(self._now()))
            self._console.print(Text.assemble((stamp, "dim"), " ", text), soft_wrap=True)
