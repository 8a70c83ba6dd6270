"""Opens an address in the user's browser, where there is a desktop."""

import html
import sys
import tempfile
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def has_desktop(environment: Mapping[str, str], terminal: TextIO) -> bool:
    """Return whether a person sits at a desktop of this machine: at its terminal, and not through SSH."""
    if not terminal.isatty() or "SSH_CONNECTION" in environment:
        return False
    return sys.platform in ("darwin", "win32") or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


@contextmanager
def opened_in_browser(address: str) -> Iterator[None]:
    """Open an address that holds a secret.

    Other users of the machine can see the arguments of processes. So the browser is passed a file that only this user
    can read, which leads to the address. It is deleted in the end.
    """
    target = html.escape(address)
    with tempfile.TemporaryDirectory(prefix="canary-console-", ignore_cleanup_errors=True) as folder:  # this user's
        page = Path(folder) / "open.html"
        page.write_text(
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={target}">'
            f'<title>Canary Lab</title><p><a href="{target}">Open the console</a></p>',
            encoding="utf-8",
        )
        webbrowser.open(page.as_uri())
        yield
