"""Types the blocks of a page in terminals, as a person who reads it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from scripts.workshop.page import MAIN, Block
from scripts.workshop.screen import first_difference, looks_like
from scripts.workshop.terminal import WIDE, Terminal

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from pathlib import Path

PATIENCE = 170
"""Seconds that a command may take."""


class DiffersError(Exception):
    """A person would see something else than the page says.

    Attributes:
        line: the first line of the page that is not to be seen; empty if only more is to be seen.
    """

    def __init__(self, message: str, line: str = "") -> None:
        super().__init__(message)
        self.line = line


class Session:
    """The terminals of one person.

    Attributes:
        terminals: by the number that the page gives them.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        change: Callable[[str], str] = lambda text: text,
        differs: Callable[[DiffersError], object] | None = None,
        echo: Callable[[str], object] | None = None,
        size: os.terminal_size = WIDE,
    ) -> None:
        """Open no terminal yet.

        Args:
            folder: in which the terminals open.
            environment: of each terminal.
            change: makes of a command or an output on the page what it is here, such as another namespace.
            differs: called instead of raising DiffersError if a command succeeds, but shows something else.
            echo: gets all that the first terminal shows, and of others what the page says they show.
            size: of each terminal.
        """
        self.terminals: dict[str, Terminal] = {}
        self._folder, self._environment = folder, environment
        self._change, self._differs, self._echo, self._size = change, differs, echo, size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for terminal in self.terminals.values():
            terminal.close()

    def type(self, block: Block) -> None:
        """Do what a block says; raises DiffersError.

        Waits for the end of a command; in other terminals than the first, only until it shows what the page says.
        """
        if block.language == "text":
            self._await(block, self._change(block.text))
            return
        terminal = self._terminal(block.terminal)
        terminal.start(self._change(block.text))
        if block.terminal != MAIN and block.expected:
            self._await(block, self._change(block.expected))
            if self._echo:
                self._echo(f"{terminal.output}\n")
            return
        ended = terminal.wait(PATIENCE)
        seen = terminal.output
        if not ended:
            raise DiffersError(told(block, f"It has not ended after {PATIENCE} s.", seen))
        if terminal.exit_code:
            raise DiffersError(told(block, f"Its exit code is {terminal.exit_code}.", seen))
        expected, is_broken = self._change(block.expected), self._size.columns < WIDE.columns
        if not looks_like(seen, expected, is_broken=is_broken):
            line = first_difference(seen, expected, is_broken=is_broken)
            error = DiffersError(told(block, f"The page says:\n\n{expected}", seen), line)
            if self._differs is None:
                raise error
            self._differs(error)

    def _terminal(self, number: str) -> Terminal:
        if number not in self.terminals:
            echo = self._echo if number == MAIN else None
            self.terminals[number] = Terminal(self._folder, self._environment, echo, self._size)
        return self.terminals[number]

    def _await(self, block: Block, expected: str) -> None:
        """Wait until a terminal shows what the page says."""
        terminal = self._terminal(block.terminal)
        terminal.wait(PATIENCE, lambda seen: looks_like(seen, expected))
        if not looks_like(terminal.output, expected):
            raise DiffersError(told(block, f"The page says:\n\n{expected}", terminal.output))


def told(block: Block, wrong: str, seen: str) -> str:
    """Return what is wrong with what a command shows."""
    return f"In terminal {block.terminal}:\n\n{block.text}\n{wrong}\nIt shows:\n\n{seen}\n"
