"""Take the picture of README: the console while it asks about a worse version, and below it the answers of the demo.

    .venv/bin/python -m scripts.make_readme_picture

The releases are real ones. A browser opens the console of a demo on localcluster, takes docs/images/console-light.png
and console-dark.png, and decides by the buttons. Needs Chromium. `make screenshots` runs it.
"""

from __future__ import annotations

import _thread
import os
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from canary.chart.style import css
from scripts.demo.children import Children, Interrupts
from scripts.demo.places import Localcluster
from scripts.demo.screen import Screen
from scripts.demo.story import ROOT, Demo
from scripts.squares import STYLE, draw, squares
from tests.browser import NAMES, browser, executable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

IMAGES = ROOT / "docs" / "images"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PATIENCE = 180_000  # milliseconds that a gate may need before it asks
BUTTONS = {"promoted": "Promote", "rejected": "Reject"}


class Visited(Demo):
    """A demo in which a browser decides, as the verdict recommends."""

    def release(self, tag: str, expected: str, name: str = "") -> None:
        """Release an image while a browser waits for the question about it."""
        visitor = threading.Thread(target=self._visit, args=(expected, name))
        if name:
            visitor.start()
        super().release(tag, expected, name)
        if name:
            visitor.join()

    def _visit(self, expected: str, name: str) -> None:
        assert self.console
        try:
            with opened(self.console.address) as page:
                page.get_by_text("Waiting for your answer since").wait_for(timeout=PATIENCE)
                if name == "worse":
                    for scheme in SCHEMES:
                        page.emulate_media(color_scheme=scheme)
                        page.screenshot(path=self.folder / f"{scheme}.png", full_page=True, animations="disabled")
                page.get_by_role("button", name=BUTTONS[expected], exact=True).click()
                page.wait_for_load_state()
        except BaseException:
            _thread.interrupt_main()  # else the release would wait for an hour
            raise


@contextmanager
def opened(address: str) -> Iterator[Page]:
    """Give a page in a new browser."""
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        yield page


def main() -> None:
    """Play the demo, take the pictures, and write them."""
    if not executable():
        sys.exit(f"no Chromium: install one ({', '.join(NAMES)}), or set CHROMIUM to its path")
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory(prefix="canary-demo-") as name:
        folder = Path(name)
        screen = Screen(Console())
        children = Children(folder, screen.command, Interrupts())
        children.environment["LOGNAME"] = "ada"
        place = Localcluster(children, folder / "localcluster")
        demo = Visited(place, screen, children, folder, reports=folder / "reports", asks=True)
        try:
            demo.play()
        finally:
            children.end()
            place.down()
        answers = draw(list(squares((folder / "answers").read_text().splitlines())), demo.acts)
        style = f"<style>{css()}{STYLE}body {{ margin: 0; background: var(--paper); }}</style>"
        IMAGES.mkdir(parents=True, exist_ok=True)
        for scheme in SCHEMES:
            file = folder / f"{scheme}.html"
            file.write_text(f'{style}<img src="{scheme}.png">{answers}', encoding="utf-8")
            with opened(file.as_uri()) as page:
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=IMAGES / f"console-{scheme}.png", full_page=True)


if __name__ == "__main__":
    main()
