"""A terminal with a shell in it, as a person has, for commands that somebody else types."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from typing import TYPE_CHECKING

from scripts.workshop.screen import rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WIDE = os.terminal_size((200, 50))
"""So wide that no sentence is broken."""
DONE = re.compile(r"\x1b\]7777;(\d+)\x07")
"""What the shell writes when a command has ended, with the exit code; terminals ignore it."""
CONTROL_C = b"\x03"


class Terminal:
    """A shell that runs one command after the other, with this terminal as their standard input and output."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        echo: Callable[[str], object] | None = None,
        size: os.terminal_size = WIDE,
    ) -> None:
        """Start a shell in a folder; `echo` gets all output as it comes."""
        self._main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", size.lines, size.columns, 0, 0))
        script, self._script = os.pipe()
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc", f"/dev/fd/{script}"],
            cwd=folder,
            env={k: v for k, v in environment.items() if k not in ("COLUMNS", "LINES")} | {"TERM": "xterm"},
            stdin=other,
            stdout=other,
            stderr=other,
            pass_fds=(script,),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C then reaches the commands  # noqa: PLW1509
        )
        os.close(other)
        os.close(script)
        self._echo = echo
        self._written, self._is_used = "", False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._write("trap : INT")  # Ctrl-C ends the command, not the shell

    def start(self, command: str) -> None:
        """Type a command; one that still runs is ended with Ctrl-C before."""
        if self._is_used and self.exit_code is None:
            self.interrupt()
        self._written, self._is_used = "", True
        self._write("{ " + command.rstrip() + "\n}; printf '\\033]7777;%d\\007' $?")

    def wait(self, seconds: float, until: Callable[[str], bool] = lambda _: False) -> bool:
        """Wait for the end of the command, or until its output meets a condition; returns False if neither came."""
        end = time.monotonic() + seconds
        with self._changed:
            while self.exit_code is None and not until(self.output):
                if not self._changed.wait(max(0.0, end - time.monotonic())) and time.monotonic() >= end:
                    return False
        return True

    def interrupt(self) -> None:
        """Press Ctrl-C, and wait for the end of the command."""
        os.write(self._main, CONTROL_C)
        if not self.wait(30):
            raise TimeoutError(f"Ctrl-C does not end the command. Its output: {self.output}")

    @property
    def output(self) -> str:
        """What the command has written, as a person sees it."""
        return rendered(DONE.sub("", self._written))

    @property
    def exit_code(self) -> int | None:
        """The exit code of the command; None while it runs."""
        done = DONE.search(self._written)
        return int(done[1]) if done else None

    def close(self) -> None:
        """Close the window: everything that runs in it ends."""
        if self._is_used and self.exit_code is None:
            os.write(self._main, CONTROL_C)
        os.close(self._script)
        try:
            self._shell.wait(10)
        except subprocess.TimeoutExpired:
            self._shell.kill()
            self._shell.wait()
        os.close(self._main)
        self._reader.join(5)

    def _write(self, line: str) -> None:
        os.write(self._script, (line + "\n").encode())

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        while True:
            try:
                data = os.read(self._main, 65536)
            except OSError:  # the window is closed
                return
            if not data:
                return
            text = decoder.decode(data)
            with self._changed:
                self._written += text
                self._changed.notify_all()
            if self._echo:
                self._echo(DONE.sub("", text))
