"""A listener that shows a release: as a live table on a terminal, as lines with timestamps in a pipeline."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from canary.events import Event, Looked, Ready, Waiting
from canary.terminal.lines import line_of
from canary.terminal.table import look
from canary.times import local_time
from canary.verdict.comparison import Decision

QUIET = 10.0  # seconds between two lines about looks with the same verdict


class Output(Console):
    """A console whose reader may go away. That raises BrokenPipeError here, while rich would end the process."""

    def on_broken_pipe(self) -> None:
        """Raise the exception again."""
        raise BrokenPipeError


class Terminal:
    """Shows events on a console, which should write to stderr: stdout is for results."""

    def __init__(self, console: Console, *, live: bool | None = None, now: Callable[[], float] = time.time) -> None:
        """Show events on a console.

        Args:
            console: the console.
            live: whether it can redraw. By default, if it is a terminal that is not dumb.
            now: returns Unix seconds, for the timestamps.
        """
        self._console = console
        self._can_redraw = console.file.isatty() and not console.is_dumb_terminal if live is None else live
        self._now = now
        self._live: Live | None = None
        self._is_reader_lost = False
        self._waiting: dict[str, Waiting] = {}
        self._last_look: tuple[float, Decision] | None = None

    def __call__(self, event: Event) -> None:
        """Show an event. If that fails, show nothing more: a release does not end because its output is not read."""
        with self._ignoring_a_lost_reader():
            if self._is_reader_lost:
                return
            if self._can_redraw:
                self._redraw(event)
            else:
                self._line(event)

    def close(self) -> None:
        """Leave the last table on the screen, and show the cursor again."""
        with self._ignoring_a_lost_reader():
            live, self._live = self._live, None
            if live:
                live.stop()

    @contextmanager
    def _ignoring_a_lost_reader(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._is_reader_lost, self._live = True, None
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._console.file.fileno())  # for text in buffers, and for error messages
            os.close(nowhere)

    def _redraw(self, event: Event) -> None:
        if isinstance(event, Waiting):
            self._waiting[event.name] = event
            self._show_waiting()
        elif isinstance(event, Looked):
            self._show(look(event, self._console.width), stays=True)
        elif text := line_of(event):
            self.close()
            self._console.print(text)
            if isinstance(event, Ready):
                self._waiting.pop(event.name, None)
                if self._waiting:
                    self._show_waiting()  # no event repeats why the others are not ready

    def _show_waiting(self) -> None:
        self._show(Group(*(line_of(waiting) or Text() for waiting in self._waiting.values())), stays=False)

    def _show(self, content: RenderableType, *, stays: bool) -> None:
        """Draw over what was drawn before.

        Args:
            content: what to draw.
            stays: whether it stays on the screen when something else is shown.
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
            last = self._last_look
            if event.last or (last and event.verdict.decision is last[1] and event.at - last[0] < QUIET):
                return  # the verdict follows, with the same text
            self._last_look = (event.at, event.verdict.decision)
        text = line_of(event)
        if text:
            self._console.print(Text.assemble((local_time(self._now()), "dim"), " ", text), soft_wrap=True)
