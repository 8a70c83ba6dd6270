"""`canary console` beside the demo, in which a person can watch the releases and, with GATE=console, decide on them."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scripts.demo.children import CommandError

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from scripts.demo.children import Children

PATIENCE = 60.0  # seconds until the console must listen
ADDRESS = re.compile(r"^The console is at (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Console:
    """A running console.

    Attributes:
        process: `canary console`.
        address: its URL, with the token that opens it.
    """

    process: subprocess.Popen[str]
    address: str


def open_console(children: Children, folder: Path, reports: Path) -> Console:
    """Start a console of the demo's namespace, which also shows the reports in a folder; raises CommandError."""
    said = folder / "console"
    with said.open("w") as file:  # a file, because nobody would go on reading a pipe
        process = children.start("canary", "console", "--no-open", "--reports", str(reports), stderr=file)
    end = time.monotonic() + PATIENCE
    while not (found := ADDRESS.search(said.read_text())):
        if process.poll() is not None or time.monotonic() > end:
            raise CommandError(f"canary console did not start: {said.read_text().strip() or 'it said nothing'}")
        time.sleep(0.05)
    return Console(process, found[1])
